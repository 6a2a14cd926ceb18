/* Freeing a message: it touches nothing but the message that it is given. */

#include "app/store/message.h"

#include <stdlib.h>

void
message_free(struct message *m)
{
	free(m->user);
	free(m->topic);
	free(m->event);
	free(m->data);
	free(m->key);
	*m = (struct message){ 0 };
}
