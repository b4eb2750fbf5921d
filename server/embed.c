/*
 * embed: see embed.h. Assembler's .incbin, with paths from the root of the tree (where make runs, and in -I).
 *
 * migrations.h, in the build folder, is generated: one line MIGRATION(0001, "migrations/0001_first.sql") a file, sorted
 * by name. It is read twice: for the bytes, and for the list of them.
 */
#include "server/embed.h"

#define EMBED(symbol, path)                                                                                            \
	__asm__(".pushsection .rodata\n"                                                                               \
		".balign 16\n" #symbol ":\n"                                                                           \
		".incbin \"" path "\"\n" #symbol "_end:\n"                                                             \
		".byte 0\n"                                                                                            \
		".popsection\n");                                                                                      \
	extern const char symbol[], symbol##_end[]

#define MIGRATION(number, path) EMBED(embedded_migration_##number, path);
#include "migrations.h"
#undef MIGRATION

EMBED(embedded_openapi_json, "schema/openapi.json");

struct file {
	const char *path, *text, *end;
};

static const struct file migrations[] = {
#define MIGRATION(number, path) {path, embedded_migration_##number, embedded_migration_##number##_end},
#include "migrations.h"
#undef MIGRATION
};

static const struct file openapi = {"schema/openapi.json", embedded_openapi_json, embedded_openapi_json_end};

static struct embedded
embedded_file(const struct file *f)
{
	return (struct embedded){f->path, f->text, (size_t)(f->end - f->text)};
}

size_t
embedded_migrations_count(void)
{
	return sizeof migrations / sizeof migrations[0];
}

struct embedded
embedded_migration(size_t i)
{
	return embedded_file(&migrations[i]);
}

struct embedded
embedded_openapi(void)
{
	return embedded_file(&openapi);
}
