/* What may come to a terminal. Any thread that owns stdout. */
#ifndef LIB_TERMINAL_H
#define LIB_TERMINAL_H

/* terminal_print prints text, UTF-8 that may hold any character, on stdout, with a ? for
 * each that would move the cursor, or worse. Returns how many columns it takes, as far as
 * each character takes one. */
int terminal_print(const char *text);

#endif
