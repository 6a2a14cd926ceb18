/* A session of our own: those that hiredis makes take any certificate that somebody trusted
 * has signed, whosever it is. */

#include "app/upstream/redis/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

/* name_host says whose certificate it has to be. */
static int
name_host(SSL *session, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host);
	return SSL_set_tlsext_host_name(session, host) == 1 && SSL_set1_host(session, host);
}

struct ssl_st *
tls_new(const char *host)
{
	SSL_CTX *trust = SSL_CTX_new(TLS_client_method());
	SSL *session = NULL;

	if (trust == NULL || SSL_CTX_set_default_verify_paths(trust) != 1
	    || SSL_CTX_set_min_proto_version(trust, TLS1_2_VERSION) != 1)
		goto out;
	SSL_CTX_set_verify(trust, SSL_VERIFY_PEER, NULL);
	/* As a socket does: hiredis moves what it has not written yet. */
	SSL_CTX_set_mode(trust, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	session = SSL_new(trust);
	if (session != NULL && name_host(session, host) != 1) {
		SSL_free(session);
		session = NULL;
	}
out:
	SSL_CTX_free(trust);  /* a session holds on to it */
	return session;
}

void
tls_free(struct ssl_st *session)
{
	SSL_free(session);
}
