/* Control characters are U+0000 to U+001F, U+007F, and U+0080 to U+009F, which take two
 * bytes in UTF-8 and are commands to a terminal too (ECMA-48 5.3). */

#include "lib/terminal.h"

#include <stdbool.h>
#include <stdio.h>

int
terminal_print(const char *text)
{
	int columns = 0;

	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		bool is_control = *at < ' ' || *at == 0x7f;

		if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
			is_control = true;
			at++;
		}
		putchar(is_control ? '?' : *at);
		columns += (*at & 0xc0) != 0x80 || is_control;
	}
	return columns;
}
