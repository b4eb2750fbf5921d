/*
 * embed: the files that are part of the program, byte for byte: migrations/ and schema/openapi.json.
 *
 * Put in by the assembler at build time, so the binary needs nothing beside it and what is in the tree is what runs.
 * The list of migrations is made by the Makefile from the folder: a new file there is all it takes.
 */
#ifndef VERAD_SERVER_EMBED_H
#define VERAD_SERVER_EMBED_H

#include <stddef.h>

struct embedded {
	const char *name; /* path from the root of the tree: "migrations/0001_first.sql" */
	const char *text; /* a NUL follows its last byte */
	size_t len;
};

/* In order of their numbers, which their base names start with. */
size_t embedded_migrations_count(void);
struct embedded embedded_migration(size_t i);
struct embedded embedded_openapi(void);

#endif
