/*
 * Read by `make analysis` before every source but err.c: it sees one file at a time, and would otherwise follow paths
 * on which a failure is reported by returning OK.
 */
#include "engine/err.h"

#define err_set(e, status, ...) ((void)err_set(e, status, __VA_ARGS__), (status))
#define err_nomem(e) ((void)err_nomem(e), ERR_NOMEM)
#define err_at(...) ((void)err_at(__VA_ARGS__), ERR_DATA)
#define err_prefix(...) ((void)err_prefix(__VA_ARGS__), ERR_DATA)
