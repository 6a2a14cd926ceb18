/* What the threads of a node tell the rest of the program, and ask of it. All of it is
 * set before they start; each function is called by several of them, waits for nothing
 * and may be called until node_stop returns. */
#ifndef APP_NODE_WIRING_H
#define APP_NODE_WIRING_H

#include <stdint.h>

#include "app/store/origin.h"
#include "lib/clock.h"

struct tally;

struct node_wiring {
	/* The log had given no id above `newest` at asked_at, or later. */
	void (*heard)(void *context, int64_t newest, mono_us asked_at);

	/* The copy holds all up to `newest`. */
	void (*followed)(void *context, int64_t newest);

	/* The highest id that this machine knows to have been given. */
	int64_t (*seen)(void *context);

	/* All up to this id has been read from the copy for those who are connected:
	 * what is above it is not deleted yet, or they would miss it without a word. */
	int64_t (*sent)(void *context);

	struct tally *users;  /* lent: those who are connected here, and their streams */
	struct origin *origin;  /* lent: what is published from here is told to it; NULL: nobody asks */
	void *context;        /* lent */
};

#endif
