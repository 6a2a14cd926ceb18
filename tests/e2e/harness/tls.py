"""TLS, and with it HTTP/2, for the samples, which leave it to the site."""

import os
import subprocess

LIGHTTPD = '/usr/lib/lighttpd/mod_openssl.so'
MODULES = '/usr/lib/apache2/modules'


def certificate(site):
    """One of our own for localhost: the certificate, and a file that has the key too."""
    alone, both = (os.path.join(site.folder, name) for name in ('certificate.pem', 'key-and-certificate.pem'))
    if not os.path.exists(alone):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', both, '-out', alone],
                       check=True, capture_output=True)
        with open(alone) as f, open(both, 'a') as to:
            to.write(f.read())
        os.chmod(both, 0o644)   # a web server may have given up root when it looks
    return alone, both


def changes(site, port):
    """The certificate, and the lines of the sample that make it listen there too."""
    alone, both = certificate(site)
    if site.server == 'lighttpd' and not os.path.exists(LIGHTTPD):
        raise AssertionError('not installed: apt-get install lighttpd-mod-openssl')
    return alone, {
        'lighttpd': [
            ('"mod_access",', '"mod_access", "mod_openssl",'),
            ('server.max-write-idle = 360', 'server.max-write-idle = 360\n$SERVER["socket"] == "127.0.0.1:%d" {\n'
             'ssl.engine = "enable"\nssl.pemfile = "%s"\n}' % (port, both)),
        ],
        'apache': [
            ('LoadModule alias_module', f'LoadModule ssl_module {MODULES}/mod_ssl.so\nLoadModule http2_module {MODULES}/mod_http2.so\n'
             'LoadModule alias_module'),
            ('ServerTokens Prod\n', f'ServerTokens Prod\nListen 127.0.0.1:{port}\nProtocols h2 http/1.1\n<VirtualHost 127.0.0.1:{port}>\n'
             f'SSLEngine on\nSSLCertificateFile {both}\nSSLCertificateKeyFile {both}\n</VirtualHost>\n'),
        ],
        'nginx': [
            ('client_max_body_size 64m;', f'client_max_body_size 64m; listen 127.0.0.1:{port} ssl http2; ssl_certificate {both}; '
             f'ssl_certificate_key {both};'),
        ],
    }[site.server]
