/*
 * log: one line an event to standard error, JSON or plain text; the only room that writes there besides cli.
 * Threads: any; lines do not mix.
 */
#ifndef VERAD_SERVER_LOG_H
#define VERAD_SERVER_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level least, enum log_format format); /* before other threads start */

/* key-value pairs after the message, all strings, ended by NULL: log_event(LOG_INFO, "request", "path", p, NULL). */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

#endif
