/* Tokens signed by hand, for headers and claims that no library would write:
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and the compact form (RFC 7515 7.1). */
#ifndef TESTS_UNIT_HS256_H
#define TESTS_UNIT_HS256_H

#include <stdint.h>
#include <string.h>

#include "lib/buf.h"

static inline uint32_t
hs256_rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static inline void
hs256_block(uint32_t h[8], const unsigned char block[64])
{
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
		0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
		0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
		0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
		0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
		0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
		0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
		0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
		0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
		0xc67178f2,
	};
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		    (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		    (hs256_rotate(w[i - 15], 7) ^ hs256_rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
		    (hs256_rotate(w[i - 2], 17) ^ hs256_rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t a = v[0], e = v[4];
		uint32_t t1 = v[7] + k[i] + w[i] + ((e & v[5]) ^ (~e & v[6])) +
		    (hs256_rotate(e, 6) ^ hs256_rotate(e, 11) ^ hs256_rotate(e, 25));
		uint32_t t2 = ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2])) +
		    (hs256_rotate(a, 2) ^ hs256_rotate(a, 13) ^ hs256_rotate(a, 22));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

static inline void
hs256_sha256(const void *bytes, size_t len, unsigned char digest[32])
{
	uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	struct buf b = BUF_EMPTY;

	buf_add(&b, bytes, len);
	buf_add_char(&b, (char)0x80);
	while (b.len % 64 != 56)
		buf_add_char(&b, 0);
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_add_char(&b, (char)((uint64_t)len * 8 >> shift));
	for (size_t i = 0; i < b.len; i += 64)
		hs256_block(h, (const unsigned char *)b.bytes + i);
	for (int i = 0; i < 32; i++)
		digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
	buf_free(&b);
}

/* hs256_mac is for keys of at most 64 bytes. */
static inline void
hs256_mac(const char *key, const void *bytes, size_t len, unsigned char mac[32])
{
	struct buf b = BUF_EMPTY;
	unsigned char pad[64], inner[32];

	memset(pad, 0, sizeof(pad));
	memcpy(pad, key, strlen(key));
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	buf_add(&b, pad, sizeof(pad));
	buf_add(&b, bytes, len);
	hs256_sha256(b.bytes, b.len, inner);
	buf_free(&b);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	buf_add(&b, pad, sizeof(pad));
	buf_add(&b, inner, sizeof(inner));
	hs256_sha256(b.bytes, b.len, mac);
	buf_free(&b);
}

static inline void
hs256_base64url(struct buf *out, const void *bytes, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *at = bytes;
	unsigned int bits = 0, n_bits = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | at[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			buf_add_char(out, digits[bits >> (n_bits - 6) & 63]);
	}
	if (n_bits > 0)
		buf_add_char(out, digits[bits << (6 - n_bits) & 63]);
}

/* hs256_sign_text signs a text that stands for `header.claims`. Like
 * hs256_sign it returns a token that the caller frees. */
static inline char *
hs256_sign_text(const char *key, const char *text)
{
	struct buf token = BUF_EMPTY;
	unsigned char mac[32];

	hs256_mac(key, text, strlen(text), mac);
	buf_add_str(&token, text);
	buf_add_char(&token, '.');
	hs256_base64url(&token, mac, sizeof(mac));
	return buf_take(&token);
}

static inline char *
hs256_sign_bytes(const char *key, const char *header, const char *claims, size_t claims_len)
{
	struct buf text = BUF_EMPTY;
	char *signed_text, *token;

	hs256_base64url(&text, header, strlen(header));
	buf_add_char(&text, '.');
	hs256_base64url(&text, claims, claims_len);
	signed_text = buf_take(&text);
	token = hs256_sign_text(key, signed_text);
	free(signed_text);
	return token;
}

static inline char *
hs256_sign(const char *key, const char *header, const char *claims)
{
	return hs256_sign_bytes(key, header, claims, strlen(claims));
}

#endif
