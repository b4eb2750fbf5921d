/*
 * files: whole files in, whole files out, for the command line. "-" is standard input or output.
 *
 * Messages name the file and the system's reason; they carry no "verad: …" prefix. Thread rule: none needed.
 */
#ifndef VERAD_SERVER_FILES_H
#define VERAD_SERVER_FILES_H

#include "engine/buf.h"

/* How a file is called in messages: "standard input" for "-" and NULL. */
const char *file_input_name(const char *path);

enum status file_open_input(const char *path, int *fd, struct err *e); /* "-" or NULL: standard input */
/* Up to n bytes; *got = 0 at the end of the file. */
enum status file_read(int fd, void *bytes, size_t n, size_t *got, struct err *e);
enum status file_read_all(const char *path, struct buf *out, struct err *e);

/* ERR_IO, code "broken_pipe", when nobody reads any more. */
enum status file_write(int fd, const void *bytes, size_t n, struct err *e);

/*
 * Puts the bytes in the file's place all at once: written beside it, flushed to the disk, then renamed, so that whoever
 * looks sees the old file or the whole new one. What is no regular file (a device, a pipe) is written to; "-" is
 * standard output. file_check_output tells early whether there is a chance: the directory is there and may be written.
 */
enum status file_replace(const char *path, const void *bytes, size_t n, struct err *e);
enum status file_check_output(const char *path, struct err *e);

#endif
