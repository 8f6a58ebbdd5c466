/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/health: is the manager ready, and what is not as it should be? */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"
#include "common/json.h"

enum { DIFFERENCES_MAX = 1000 };

struct differences {
	struct buf *out;
	size_t count;
};

static void difference_write(void *arg, const struct fabric_difference *d)
{
	struct differences *list = arg;

	if (list->count++ >= DIFFERENCES_MAX)
		return;
	json_open(list->out, '{');
	json_member_text(list->out, "kind", d->kind);
	json_member_text(list->out, "subject", d->subject);
	json_member_text(list->out, "detail", d->detail);
	json_close(list->out, '}');
}

static void providers_write(const struct fabric *f, struct buf *out)
{
	json_key(out, "providers");
	json_open(out, '[');
	for (size_t i = 0; i < fabric_provider_count(f); i++) {
		struct fabric_provider_view view;

		fabric_provider_get(f, i, &view);
		json_open(out, '{');
		json_member_text(out, "name", view.name);
		json_member_text(out, "state", provider_state_text(view.state));
		json_member_text(out, "program", *view.hello.name ? view.hello.name : NULL);
		json_member_text(out, "boot_id", *view.hello.boot_id ? view.hello.boot_id : NULL);
		json_member_bool(out, "scanned", view.scanned);
		json_member_bool(out, "reconciled", view.reconciled);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void health_write(const struct fabric *f, const struct fabric_health *health,
			 struct buf *out)
{
	struct differences differences = { .out = out };
	struct fabric_next next[FABRIC_NEXT_MAX];

	json_open(out, '{');
	json_member_text(out, "status", health->status);
	json_member_bool(out, "ready", health->ready);
	json_member_bool(out, "frozen", health->frozen);
	json_member_bool(out, "adopted", health->adopted);
	json_member_bool(out, "hold", health->hold);
	json_member_text(out, "detail", *health->detail ? health->detail : NULL);
	json_member_text(out, "incarnation", fabric_incarnation(f));
	json_member_text(out, "version", FABRIC_VERSION);
	providers_write(f, out);
	json_key(out, "differences");
	json_open(out, '[');
	fabric_differences(f, difference_write, &differences);
	json_close(out, ']');
	json_member_number(out, "difference_count", differences.count);
	json_key(out, "next");
	next_steps_write(next, fabric_health_next(f, next), out);
	json_close(out, '}');
	buf_text(out, "\n");
}

static void health_get(struct api_call *call)
{
	struct fabric_health health = { 0 };

	fabric_health_get(call->fabric, &health);
	health_write(call->fabric, &health, call_body(call->api));
	call_reply(call, health.ready || health.frozen ? 200 : 503, 0);
}

const struct api_command api_health_get = {
	.name = "health.get",
	.method = MESSAGE_GET,
	.collection = "health",
	.right = SERVER_RIGHT_READ,
	.params = call_no_params,
	.summary = "200 once all is scanned and reconciled, 503 before",
	.run = health_get,
};
