/* A stand-in: a child that does something as another user, so that root learns what that
 * user may not. Main's thread, while it is the only one. */
#ifndef APP_COMMAND_STANDIN_H
#define APP_COMMAND_STANDIN_H

enum standin_outcome {
	STANDIN_NOBODY = 1,  /* there is no such user, or we cannot become that user */
	STANDIN_FAILED,      /* it logged errors */
};

typedef void standin_retell(void *context, const char *error);

/* standin_run runs deed(context) in a child as that user, with the user's groups, and
 * without a stdout. What it logs as an error comes to retell, as one line without "error: ";
 * whatever else it logs is dropped. 0: it logged none; else one of the above. */
int standin_run(const char *user, void (*deed)(void *context), standin_retell *retell,
    void *context);

#endif
