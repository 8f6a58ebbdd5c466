/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"

void problem_init(struct problem *p, int r)
{
	*p = (struct problem){ .refusal = r };
	if (r > 0 && r < REFUSAL_END)
		return;
	log_err("control socket: a request failed: %s", strerror(r < 0 ? -r : 0));
	p->refusal = REFUSE_INTERNAL;
}

void problem_from_fabric(struct problem *p, int r, const struct fabric_problem *from, bool in_list)
{
	problem_init(p, r);
	if (r < 0)
		return;
	(void)snprintf(p->detail, sizeof(p->detail), "%s", from->reason);
	if (in_list && from->op != SIZE_MAX)
		(void)snprintf(p->path, sizeof(p->path), "/operations/%zu%s%s", from->op,
			       from->field ? "/" : "", from->field ? from->field : "");
	else if (from->field)
		(void)snprintf(p->path, sizeof(p->path), "/%s", from->field);
	if (*p->path)
		(void)snprintf(p->reason, sizeof(p->reason), "%s",
			       *from->reason ? from->reason : refusal_text(p->refusal));
}

void problem_field(struct problem *p, int refusal, const char *path, const char *format, ...)
{
	va_list args;

	problem_init(p, refusal);
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	va_start(args, format);
	(void)vsnprintf(p->reason, sizeof(p->reason), format, args);
	va_end(args);
}

void problem_write(const struct problem *p, struct buf *out)
{
	char type[64];

	(void)snprintf(type, sizeof(type), "urn:fabricd:%s", refusal_code(p->refusal));
	json_open(out, '{');
	json_member_text(out, "type", type);
	json_member_text(out, "title", refusal_text(p->refusal));
	json_member_number(out, "status", (uint64_t)refusal_http_status(p->refusal));
	json_member_text(out, "code", refusal_code(p->refusal));
	json_member_text(out, "detail",
			 *p->detail   ? p->detail
			 : *p->reason ? p->reason
				      : refusal_text(p->refusal));
	if (p->epoch)
		json_member_number(out, "epoch", p->epoch);
	json_key(out, "errors");
	json_open(out, '[');
	if (*p->reason) {
		json_open(out, '{');
		json_member_text(out, "path", p->path);
		json_member_text(out, "reason", p->reason);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_close(out, '}');
	buf_text(out, "\n");
}
