/*
 * multipart: the parts of a multipart/form-data body (RFC 7578), piece by piece: what lies in a part is handed on as it
 * comes and never gathered here. How the body is cut into pieces changes nothing.
 *
 * ERR_SYNTAX "bad_multipart": no boundary, a part without a name, headers without end, a body that ends before its last
 * boundary. ERR_UNSUPPORTED "unsupported_transfer_encoding": a part in base64 or the like. Thread rule: one thread at a
 * time per body.
 */
#ifndef VERAD_SERVER_MULTIPART_H
#define VERAD_SERVER_MULTIPART_H

#include "engine/err.h"

struct multipart_part { /* borrowed for the call */
	const char *name;
	const char *type;    /* of Content-Type, lower case, without parameters; "" when absent */
	const char *charset; /* lower case; "" when absent */
};

struct multipart_handler { /* a status other than OK stops the body and is what feed returns */
	enum status (*part)(void *ctx, const struct multipart_part *p, struct err *e);
	enum status (*data)(void *ctx, const void *bytes, size_t n, struct err *e);
	enum status (*end)(void *ctx, struct err *e); /* of the part */
	void *ctx;
};

struct multipart;
/* content_type: the header's whole value, which has the boundary. */
enum status multipart_new(
	const char *content_type, const struct multipart_handler *handler, struct multipart **out, struct err *e);
enum status multipart_feed(struct multipart *m, const void *bytes, size_t n, struct err *e);
enum status multipart_finish(const struct multipart *m, struct err *e); /* the body is all in */
void multipart_free(struct multipart *m);                               /* accepts NULL */

#endif
