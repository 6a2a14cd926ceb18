/* Starting a thread, with the name that ps and gdb show. */
#ifndef LIB_THREAD_H
#define LIB_THREAD_H

#include <pthread.h>

/* thread_start ends the process where no thread is to be had: it is called
 * while the program starts. name has at most 15 bytes. The new thread has the
 * caller's signal mask. */
void thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

#endif
