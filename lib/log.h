/* The log: one line an event on stderr, `module: what: why`. Any thread. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* log_set_level drops what is less urgent from now on; LOG_LEVEL_INFO before. */
void log_set_level(enum log_level level);

/* Not to be called: the macros below test the level before the arguments are
 * evaluated. with_errno adds what errno says; errno is kept. */
int log_wants(enum log_level level);
void log_write(enum log_level level, int with_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_die(int with_errno, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#define LOG_AT(level, with_errno, ...) \
	do { \
		if (log_wants(level)) \
			log_write((level), (with_errno), __VA_ARGS__); \
	} while (0)

/* Those ending in x leave errno out. fatal and fatalx end the process with
 * status 1: for the start and for the impossible only. */
#define log_error(...)  LOG_AT(LOG_LEVEL_ERROR, 1, __VA_ARGS__)
#define log_errorx(...) LOG_AT(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_warn(...)   LOG_AT(LOG_LEVEL_WARN, 1, __VA_ARGS__)
#define log_warnx(...)  LOG_AT(LOG_LEVEL_WARN, 0, __VA_ARGS__)
#define log_info(...)   LOG_AT(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...)  LOG_AT(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)
#define fatal(...)      log_die(1, __VA_ARGS__)
#define fatalx(...)     log_die(0, __VA_ARGS__)

#endif
