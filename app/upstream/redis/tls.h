/* A TLS session with Redis, which hiredis_ssl then speaks. Any thread. */
#ifndef APP_UPSTREAM_REDIS_TLS_H
#define APP_UPSTREAM_REDIS_TLS_H

struct ssl_st;

/* tls_new returns a session that takes no other server's certificate than that host's,
 * signed by whom this system trusts (SSL_CERT_FILE, SSL_CERT_DIR); NULL: it cannot be
 * had. tls_free is for one that nobody has taken over. */
struct ssl_st *tls_new(const char *host);
void tls_free(struct ssl_st *session);

#endif
