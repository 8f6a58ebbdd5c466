/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/config: every key with its value, default, unit, range and help. */
#include <stdio.h>

#include "api/call.h"
#include "api/commands.h"
#include "common/json.h"

static const char *type_text(enum config_type type)
{
	static const char *const texts[] = {
		[CONFIG_NUMBER] = "number", [CONFIG_DURATION] = "duration", [CONFIG_BOOL] = "bool",
		[CONFIG_CHOICE] = "choice", [CONFIG_STRING] = "string",     [CONFIG_PATH] = "path",
	};

	return texts[type];
}

static void key_write(const struct config *config, const struct config_key *key, struct buf *out)
{
	bool has_range = key->type == CONFIG_NUMBER || key->type == CONFIG_DURATION;
	char text[256];

	json_open(out, '{');
	(void)snprintf(text, sizeof(text), "%s.%s", key->section, key->name);
	json_member_text(out, "key", text);
	config_format(config, key, text);
	json_member_text(out, "value", text);
	json_member_text(out, "default", key->fallback);
	json_member_text(out, "type", type_text(key->type));
	json_member_text(out, "unit", key->unit && *key->unit ? key->unit : NULL);
	json_key(out, "min");
	has_range ? json_number(out, key->min) : json_null(out);
	json_key(out, "max");
	has_range ? json_number(out, key->max) : json_null(out);
	json_member_text(out, "choices", key->choices);
	json_member_text(out, "help", key->help);
	json_close(out, '}');
}

static void named_write(const struct config *config, struct buf *out)
{
	json_key(out, "providers");
	json_open(out, '[');
	for (size_t i = 0; i < config->provider_count; i++) {
		json_open(out, '{');
		json_member_text(out, "name", config->providers[i].name);
		json_member_text(out, "socket", config->providers[i].socket);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_key(out, "host_uids");
	json_open(out, '[');
	for (size_t i = 0; i < config->host_count; i++) {
		if (!config->hosts[i].has_uid)
			continue;
		json_open(out, '{');
		json_member_text(out, "host", config->hosts[i].name);
		json_member_number(out, "uid", config->hosts[i].uid);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_key(out, "host_ways");
	json_open(out, '[');
	for (size_t i = 0; i < config->host_count; i++) {
		const struct config_host *host = &config->hosts[i];

		if (!host->serial[0] && !host->key_file[0])
			continue;
		json_open(out, '{');
		json_member_text(out, "host", host->name);
		json_member_text(out, "serial", host->serial[0] ? host->serial : NULL);
		json_member_text(out, "key_file", host->key_file[0] ? host->key_file : NULL);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_key(out, "fences");
	json_open(out, '[');
	for (size_t i = 0; i < config->fence_count; i++) {
		const struct config_fence *fence = &config->fences[i];

		json_open(out, '{');
		json_member_text(out, "host", fence->host);
		json_member_text(out, "program", fence->program);
		json_member_text(out, "parameters", *fence->parameters ? fence->parameters : NULL);
		json_member_number(out, "timeout_ms", fence->timeout_ms);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void config_get(struct api_call *call)
{
	const struct config *config = fabric_config(call->fabric);
	struct buf *out = call_body(call->api);
	size_t count = 0;
	const struct config_key *keys = config_keys(&count);

	json_open(out, '{');
	json_key(out, "keys");
	json_open(out, '[');
	for (size_t i = 0; i < count; i++)
		key_write(config, &keys[i], out);
	json_close(out, ']');
	named_write(config, out);
	json_close(out, '}');
	buf_text(out, "\n");
	call_reply(call, 200, api_hash(0, out->data, out->length));
}

const struct api_command api_config_get = {
	.name = "config.get",
	.method = MESSAGE_GET,
	.collection = "config",
	.right = SERVER_RIGHT_READ,
	.params = call_no_params,
	.summary = "every configuration key with value, default, range and help",
	.run = config_get,
};
