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

static const struct {
	const char *path, *text, *end;
} migrations[] = {
#define MIGRATION(number, path) {path, embedded_migration_##number, embedded_migration_##number##_end},
#include "migrations.h"
#undef MIGRATION
};

size_t
embedded_migrations_count(void)
{
	return sizeof migrations / sizeof migrations[0];
}

struct embedded
embedded_migration(size_t i)
{
	return (struct embedded){
		migrations[i].path, migrations[i].text, (size_t)(migrations[i].end - migrations[i].text)};
}

struct embedded
embedded_openapi(void)
{
	return (struct embedded){"schema/openapi.json", embedded_openapi_json,
		(size_t)(embedded_openapi_json_end - embedded_openapi_json)};
}
