/* api_group: see api_group.h. */
#include "tests/support/api_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/contract.h"

static cJSON *loaded;

bool
api_group_begin(struct daemon *d, struct cJSON **document, void **state)
{
	*state = d;
	if (document && !(*document = loaded = contract_load()))
		return false;
	if ((d->dir[0] || daemon_make(d)) && daemon_start(d))
		return true;
	daemon_show_log(d);
	return false;
}

int
api_group_end(void **state)
{
	daemon_remove(*state);
	cJSON_Delete(loaded);
	loaded = NULL;
	return 0;
}

void
the_daemon_stops_in_good_order(void **state)
{
	int status = daemon_stop(*state);

	if (status)
		daemon_show_log(*state);
	assert_int_equal(status, 0);
}

void
api_train_blobs(const struct daemon *d, const char *params, char dataset[API_ID_SIZE], char job[API_ID_SIZE],
	char model[API_ID_SIZE])
{
	struct buf csv = {0};
	char all[512];
	cJSON *done;

	blobs_csv(&csv, 60, 10, true);
	api_upload(d, &csv, "label", dataset);
	buf_release(&csv);
	snprintf(all, sizeof all, API_SMALL_NET ",%s", params);
	api_train(d, dataset, all, job);
	done = api_wait(d, job, "succeeded");
	snprintf(model, API_ID_SIZE, "%s", api_text(done, "model"));
	cJSON_Delete(done);
}
