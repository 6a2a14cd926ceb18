/* What a host may be written with. */

#include "app/setting/host.h"

#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

bool
host_is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	long port = len > 0 && len <= 5 && text[len] == '\0' ? strtol(text, NULL, 10) : 0;

	return port >= 1 && port <= PORT_MAX;
}

bool
host_is_name(const char *text, size_t len)
{
	if (len >= 4 && text[0] == '[' && text[len - 1] == ']')
		return strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
	return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") >= len;
}
