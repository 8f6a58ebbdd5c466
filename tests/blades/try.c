/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A manager for tests: speaks the provider protocol to one provider, as lines of a pipe tell it.
 *
 * usage: provider_try SOCKET PIPE
 *
 * Each line of the named pipe is TAG and a command; an answer is a line "TAG OBJECT" on standard
 * output. What comes by itself has the tags "event", "state". It scans only when it is told to.
 *   scan | read FUNCTION COUNT | read-host | settle [FUNCTION] | bind FUNCTION VPORT GENERATION
 *   unbind FUNCTION [surprise] | reset FUNCTION | num-vfs FUNCTION N | identity FUNCTION MAC|none
 *   slot-power SWITCH PORT 0|1 | slot-attention SWITCH PORT 0|1|2 | deadline MS (of what follows)
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "provider/client.h"

enum { TAG_MAX = 32, OPS_MAX = 4096, LINE_BYTES = 4096 };

static struct manager {
	struct event_base *base;
	struct provider *client;
	uint64_t attempts;
	uint64_t deadline_ms;
	char tags[OPS_MAX][TAG_MAX]; /* by attempt */
	char scan_tag[TAG_MAX];
	char line[LINE_BYTES];
	size_t length;
} m = { .deadline_ms = 60000 };

static void say(const char *tag, struct buf *b)
{
	if (b->failed)
		exit(4);
	printf("%s %.*s\n", tag, (int)b->length, (const char *)b->data);
	(void)fflush(stdout);
	buf_done(b);
}

static void binding_put(struct buf *b, const struct provider_binding *x)
{
	char mac[IDENTITY_TEXT];

	json_open(b, '{');
	json_member_number(b, "function", x->function);
	json_member_number(b, "host", x->host);
	json_member_number(b, "vport", x->vport);
	json_member_number(b, "generation", x->generation);
	json_member_bool(b, "present", x->present);
	if (x->identity.mac) {
		identity_mac_format(x->identity.mac, mac);
		json_member_text(b, "mac", mac);
	}
	json_close(b, '}');
}

static void completed(void *arg, const struct provider_completion *done)
{
	struct buf b = { 0 };

	(void)arg;
	json_open(&b, '{');
	json_member_text(&b, "outcome", provider_outcome_text(done->outcome));
	json_member_number(&b, "why", done->why);
	json_member_text(&b, "text", done->text);
	json_key(&b, "bindings");
	json_open(&b, '[');
	for (size_t i = 0; i < done->binding_count; i++)
		binding_put(&b, &done->bindings[i]);
	json_close(&b, ']');
	json_close(&b, '}');
	say(m.tags[done->attempt % OPS_MAX], &b);
}

static void functions_put(struct buf *b, const struct provider_scan *scan)
{
	json_key(b, "functions");
	json_open(b, '[');
	for (size_t i = 0; i < scan->function_count; i++) {
		const struct provider_function *f = &scan->functions[i];

		json_open(b, '{');
		json_member_number(b, "handle", f->handle);
		json_member_number(b, "adapter", f->adapter);
		json_member_number(b, "kind", f->kind);
		json_member_number(b, "pf", f->pf);
		json_member_number(b, "vf", f->vf);
		json_key(b, "now");
		binding_put(b, &f->now);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void adapters_put(struct buf *b, const struct provider_scan *scan)
{
	json_key(b, "adapters");
	json_open(b, '[');
	for (size_t i = 0; i < scan->adapter_count; i++) {
		const struct provider_adapter *a = &scan->adapters[i];

		json_open(b, '{');
		json_member_number(b, "handle", a->handle);
		json_member_text(b, "switch", scan->switches[a->switch_handle - 1].name);
		json_member_number(b, "switch_handle", a->switch_handle);
		json_member_number(b, "port", a->port);
		json_member_number(b, "class", a->class_code);
		json_member_text(b, "model", a->model);
		json_member_number(b, "keeper", a->keeper);
		json_member_number(b, "num_vfs", a->num_vfs);
		json_member_number(b, "total_vfs", a->total_vfs);
		json_member_number(b, "first_function", a->first_function);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void ports_put(struct buf *b, const struct provider_scan *scan)
{
	json_key(b, "ports");
	json_open(b, '[');
	for (size_t i = 0; i < scan->port_count; i++) {
		const struct provider_port *p = &scan->ports[i];

		json_open(b, '{');
		json_member_number(b, "switch_handle", p->switch_handle);
		json_member_number(b, "port", p->number);
		json_member_number(b, "role", p->role);
		json_member_number(b, "adapter", p->adapter);
		json_member_bool(b, "link", p->link);
		json_member_bool(b, "has_slot", p->has_slot);
		json_member_bool(b, "slot_presence", p->slot_presence);
		json_member_bool(b, "slot_power", p->slot_power);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	OWNED(provider_scan_free) struct provider_scan *held = scan;
	struct buf b = { 0 };

	(void)arg;
	json_open(&b, '{');
	if (held) {
		adapters_put(&b, held);
		functions_put(&b, held);
		ports_put(&b, held);
	} else {
		json_member_text(&b, "failed", why);
	}
	json_close(&b, '}');
	say(m.scan_tag, &b);
}

static void told(void *arg, const struct provider_event *event)
{
	static const char *const kinds[] = { "changed", "overflow", "host",
					     "reboot",  "function", "slot" };
	struct buf b = { 0 };

	(void)arg;
	json_open(&b, '{');
	json_member_text(&b, "kind", kinds[event->kind]);
	json_member_number(&b, "at_ms", clock_boot_ms());
	if (event->kind == PROVIDER_EVENT_FUNCTION) {
		json_member_number(&b, "function", event->function);
		json_member_bool(&b, "present", event->present);
	} else if (event->kind == PROVIDER_EVENT_SLOT) {
		json_member_number(&b, "switch_handle", event->slot.switch_handle);
		json_member_number(&b, "port", event->slot.port);
		json_member_bool(&b, "presence", event->slot.presence);
		json_member_bool(&b, "power", event->slot.power);
		json_member_bool(&b, "link", event->slot.link);
	} else if (event->kind == PROVIDER_EVENT_REBOOT) {
		json_member_text(&b, "boot_id", event->boot_id);
	}
	json_close(&b, '}');
	say("event", &b);
}

static void state(void *arg, enum provider_state now, const struct provider_hello *hello)
{
	struct buf b = { 0 };

	(void)arg;
	json_open(&b, '{');
	json_member_text(&b, "state", provider_state_text(now));
	json_member_text(&b, "boot_id", hello ? hello->boot_id : "");
	json_close(&b, '}');
	say("state", &b);
}

static void number_take(uint64_t *to, const char *word)
{
	*to = word ? strtoull(word, NULL, 10) : 0;
}

static void op_send(const char *tag, const char *verb, char *words[static 3])
{
	struct provider_op op = { .attempt = ++m.attempts,
				  .deadline_ms = clock_boot_ms() + m.deadline_ms };
	int parsed = provider_verb_parse(verb);
	uint64_t n[3];

	for (int i = 0; i < 3; i++)
		number_take(&n[i], words[i]);
	op.verb = parsed < 0 ? PROVIDER_VERB_NONE : (enum provider_verb)parsed;
	op.function = (uint32_t)n[0];
	op.value = (uint32_t)n[1];
	if (op.verb == PROVIDER_BIND) {
		op.host = 1;
		op.vport = (uint16_t)n[1];
		op.generation = n[2];
	} else if (op.verb == PROVIDER_UNBIND) {
		op.mode = words[1] ? PROVIDER_SURPRISE : PROVIDER_MANAGED;
	} else if (op.verb == PROVIDER_READ_HOST) {
		op.host = 1;
	} else if (op.verb == PROVIDER_IDENTITY && words[1] && strcmp(words[1], "none") != 0) {
		if (identity_mac_parse(words[1], &op.identity.mac))
			exit(2);
	} else if (op.verb == PROVIDER_SLOT_POWER || op.verb == PROVIDER_SLOT_ATTENTION) {
		op.function = 0;
		op.switch_handle = (uint16_t)n[0];
		op.port = (uint16_t)n[1];
		op.value = (uint32_t)n[2];
	}
	(void)snprintf(m.tags[op.attempt % OPS_MAX], TAG_MAX, "%.31s", tag);
	if (m.client->ops->submit(m.client, &op))
		printf("%s {\"outcome\": \"not sent\"}\n", tag);
}

static void line_take(char *line)
{
	char *save = NULL;
	char *tag = strtok_r(line, " ", &save);
	char *verb = tag ? strtok_r(NULL, " ", &save) : NULL;
	char *words[3];

	if (!verb)
		return;
	for (int i = 0; i < 3; i++)
		words[i] = strtok_r(NULL, " ", &save);
	if (!strcmp(verb, "deadline")) {
		number_take(&m.deadline_ms, words[0]);
		printf("%s {}\n", tag);
		(void)fflush(stdout);
	} else if (!strcmp(verb, "scan")) {
		(void)snprintf(m.scan_tag, sizeof(m.scan_tag), "%.31s", tag);
		if (m.client->ops->scan(m.client))
			printf("%s {\"failed\": \"not sent\"}\n", tag);
	} else {
		op_send(tag, verb, words);
	}
}

static void input(evutil_socket_t fd, short what, void *arg)
{
	ssize_t n = read(fd, m.line + m.length, sizeof(m.line) - 1 - m.length);
	char *end;

	(void)what;
	(void)arg;
	if (n <= 0)
		return;
	m.length += (size_t)n;
	m.line[m.length] = '\0';
	while ((end = strchr(m.line, '\n'))) {
		*end = '\0';
		line_take(m.line);
		m.length -= (size_t)(end + 1 - m.line);
		memmove(m.line, end + 1, m.length + 1);
	}
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	m.client->ops->advance(m.client, clock_boot_ms());
}

int main(int argc, char **argv)
{
	const struct provider_sink sink = {
		.completed = completed, .scanned_take = scanned_take, .told = told, .state = state
	};
	const struct timeval every = { .tv_usec = 20000 };
	struct event *on_input;
	struct event *on_tick;
	int fd;

	(void)setvbuf(stdout, NULL, _IOFBF, 1 << 20); /* a line is one write; else it is cut */
	if (argc != 3)
		return 2;
	fd = open(argv[2], O_RDWR | O_NONBLOCK); /* writing too: it never ends */
	m.base = event_base_new();
	if (fd < 0 || !m.base || provider_client_open(m.base, "tried", argv[1], &sink, &m.client))
		return 4;
	on_input = event_new(m.base, fd, EV_READ | EV_PERSIST, input, NULL);
	on_tick = event_new(m.base, -1, EV_PERSIST, tick, NULL);
	if (!on_input || !on_tick || event_add(on_input, NULL) || event_add(on_tick, &every))
		return 4;
	return event_base_dispatch(m.base) < 0 ? 4 : 0;
}
