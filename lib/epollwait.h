/* Waiting for epoll by the microsecond. Any thread. */
#ifndef LIB_EPOLLWAIT_H
#define LIB_EPOLLWAIT_H

#include <sys/epoll.h>

#include "lib/clock.h"

/* epollwait_us is epoll_wait(2) for at most wait microseconds, 0 or more; where
 * the kernel can only wait for milliseconds (before Linux 5.11), rounded up, so
 * that what is due then is due when it returns. How many events there are, 0
 * after that time, or -1 and errno. */
int epollwait_us(int epoll_fd, struct epoll_event events[], int max_events, mono_us wait);

#endif
