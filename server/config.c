/* config: see config.h. */
#include "server/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/log.h"

static const char *const formats[] = {"text", "json", NULL};                     /* in the order of enum log_format */
static const char *const levels[] = {"debug", "info", "warning", "error", NULL}; /* in the order of enum log_level */

#define AT(field) offsetof(struct config, field)

static const struct option options[] = {
	{.name = "data",
		.value = "DIR",
		.type = OPTION_TEXT,
		.at = AT(data),
		.doc = "where everything is kept; made if need be"},
	{.name = "listen",
		.value = "ADDRESS",
		.type = OPTION_TEXT,
		.at = AT(listen),
		.doc = "host:port, [ipv6]:port; port 0: any free one (127.0.0.1:8080)"},
	{.name = "allow-remote",
		.type = OPTION_FLAG,
		.at = AT(allow_remote),
		.doc = "permit an address that other machines reach: there is no authentication"},
	{.name = "workers",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(workers),
		.min = 1,
		.max = 256,
		.doc = "training jobs at a time, sharing the processors (1)"},
	{.name = "max-upload",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(max_upload),
		.min = 1024,
		.max = (uint64_t)1 << 50,
		.doc = "largest data set (1G)"},
	{.name = "max-predict",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(max_predict),
		.min = 1024,
		.max = (uint64_t)1 << 40,
		.doc = "largest body of rows to predict (64M)"},
	{.name = "log-format",
		.value = "FORMAT",
		.type = OPTION_CHOICE,
		.at = AT(log_format),
		.choices = formats,
		.doc = "text or json (text)"},
	{.name = "log-level",
		.value = "LEVEL",
		.type = OPTION_CHOICE,
		.at = AT(log_level),
		.choices = levels,
		.doc = "debug, info, warning or error (info)"},
	{.name = "check", .type = OPTION_FLAG, .at = AT(check), .doc = "check the configuration and exit"},
};

const struct option_table config_options = {.option = options, .n = sizeof options / sizeof options[0]};

bool
config_is_loopback(const char *listen)
{
	const char *colon = strrchr(listen, ':'), *bracket = strrchr(listen, ']');
	size_t len = colon && (!bracket || colon > bracket) ? (size_t)(colon - listen) : strlen(listen);
	struct in6_addr six;
	struct in_addr four;
	char host[64];

	if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
		listen++;
		len -= 2;
	}
	if (!len || len >= sizeof host) /* ":8080" is every address */
		return false;
	memcpy(host, listen, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcasecmp(host, "localhost") == 0;
}

enum status
config_read(struct config *c, int argc, char *const argv[], struct err *e)
{
	const char *operand[1];
	size_t n_operands;
	enum status s;

	*c = (struct config){
		.listen = "127.0.0.1:8080",
		.workers = 1,
		.max_upload = (uint64_t)1 << 30,
		.max_predict = (uint64_t)64 << 20,
		.log_format = LOG_TEXT,
		.log_level = LOG_INFO,
	};
	if ((s = options_environment(&config_options, c, CONFIG_ENVIRONMENT, e)) ||
		(s = options_parse(&config_options, c, argc, argv, operand, 0, &n_operands, e)))
		return s;
	if (!c->data || !*c->data)
		return err_set(e, ERR_INVALID, "usage", "--data DIR is needed: the directory to keep everything in");
	if (!config_is_loopback(c->listen) && !c->allow_remote)
		return err_set(e, ERR_INVALID, "usage",
			"--listen %.80s would be reachable from other machines, and there is no authentication yet: "
			"put a proxy "
			"that checks who calls in front of a loopback address, or say --allow-remote",
			c->listen);
	return OK;
}
