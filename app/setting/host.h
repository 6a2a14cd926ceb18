/* Hosts and ports, as they stand in a setting. Plain functions: any thread. */
#ifndef APP_SETTING_HOST_H
#define APP_SETTING_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* host_is_name: are the len bytes a name, an IPv4 address or an IPv6 address in brackets?
 * It need not exist. */
bool host_is_name(const char *text, size_t len);

/* host_is_port: is it a number from 1 to 65535 in plain digits? */
bool host_is_port(const char *text);

#endif
