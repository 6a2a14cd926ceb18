/* TLS by hiredis_ssl, with a session of our own: hiredis's would take any certificate that
 * somebody trusted has signed, whosever it is. */

#include "app/upstream/redis/tls.h"

#include <arpa/inet.h>
#include <hiredis_ssl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>

/* name_host says whose certificate it has to be. */
static int
name_host(SSL *ssl, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host);
}

int
tls_start(struct redisContext *context, const char *host, char *why, size_t why_size)
{
	SSL_CTX *trust = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (trust == NULL || SSL_CTX_set_default_verify_paths(trust) != 1
	    || SSL_CTX_set_min_proto_version(trust, TLS1_2_VERSION) != 1)
		goto fail;
	SSL_CTX_set_verify(trust, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(trust, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	ssl = SSL_new(trust);
	if (ssl == NULL || name_host(ssl, host) != 1)
		goto fail;
	SSL_CTX_free(trust);  /* the session holds on to it */
	if (redisInitiateSSL(context, ssl) == REDIS_OK)
		return 0;
	snprintf(why, why_size, "TLS: %s", context->errstr);
	return -1;  /* who owns the session then, hiredis does not tell: it is left */

fail:
	SSL_free(ssl);
	SSL_CTX_free(trust);
	snprintf(why, why_size, "TLS cannot be set up");
	return -1;
}
