/* A stream's life in the hub, from one state to the next. The hub's thread. */
#ifndef APP_HUB_LIFE_H
#define APP_HUB_LIFE_H

#include <stdint.h>

#include "app/hub/hub_state.h"
#include "app/hub/stream.h"

/* life_set_state moves a stream to a state, and so to the list of that state. */
void life_set_state(struct hub_state *hub, struct stream *s, enum stream_state state);

/* life_set_by_cursor puts a stream that can be written in the state that its
 * cursor says: live, ahead or behind; behind, too, where it has to read the
 * store, and paging while catch-up has a page of it. */
void life_set_by_cursor(struct hub_state *hub, struct stream *s);

/* life_after_write goes on after stream_write or stream_flush, which returned
 * this outcome, on a stream whose cursor is set: it is put where the cursor
 * says, waits for its socket, or is closed. */
void life_after_write(struct hub_state *hub, struct stream *s, int outcome);

/* life_position returns the id up to which the stream has everything. */
int64_t life_position(const struct hub_state *hub, const struct stream *s);

/* life_close ends a stream, for that reason; its descriptor is closed at once. It stays in the
 * roster until life_free_closed, so who walks through that may call this. */
void life_close(struct hub_state *hub, struct stream *s, enum stream_end why);

/* life_free_closed takes closed streams out of the roster and frees them; but
 * one that catch-up still has a page of is the page's from then on, and freed
 * when that is back. Called when nothing of this turn points to a stream any
 * more. */
void life_free_closed(struct hub_state *hub);

#endif
