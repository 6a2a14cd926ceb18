/* The listening socket that the web server connects to. One thread at a time; all
 * of it may wait. */
#ifndef APP_FASTCGI_LISTENER_H
#define APP_FASTCGI_LISTENER_H

#include "app/setting/conf.h"

struct listener {
	int fd;       /* listening and non-blocking; taken by intake_start */
	char *path;   /* owned: the unix socket that we made and have to remove; or NULL */
};

/* listener_passed returns the descriptor of the listening socket that whoever started
 * us has passed, or -1. */
int listener_passed(void);

/* listener_open uses the socket that systemd passes (LISTEN_FDS), else that on
 * descriptor 0 (lighttpd's bin-path, spawn-fcgi), else makes the one that
 * `listen` names. A unix socket that nobody listens on any more is replaced,
 * one that somebody does is not. -1: logged. */
int listener_open(struct listener *listener, const struct conf *conf);

enum listener_outcome {
	LISTENER_PASSED = 1,  /* whoever started us has passed a socket */
	LISTENER_SERVED,      /* another program has it: a rowcast that runs, or systemd */
};

/* listener_look says whether listener_open would work, and makes nothing. 0; one of
 * the outcomes above; -1: logged. */
int listener_look(const struct conf *conf);

/* listener_connect connects to what `listen` names. The descriptor, or -1 with
 * errno set. */
int listener_connect(const char *listen_name);

/* listener_close removes the socket's file where we made it and it is still
 * the one we made. The descriptor is intake's. */
void listener_close(struct listener *listener);

#endif
