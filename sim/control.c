/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

enum { WORDS = 2 + SIM_MODEL_FAULTS };

struct request {
	char text[4096];
	char *words[WORDS];
	size_t count;
};

__attribute__((format(printf, 2, 3))) static int bad(struct buf *answer, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	buf_vprintf(answer, why, args);
	va_end(args);
	return REFUSE_FIELD;
}

/* bindings */

static void put_identity(struct buf *out, const struct identity *id)
{
	char text[IDENTITY_TEXT];

	json_key(out, "identity");
	json_open(out, '{');
	if (id->mac) {
		identity_mac_format(id->mac, text);
		json_member_text(out, "mac", text);
	}
	if (id->vlan)
		json_member_number(out, "vlan", id->vlan);
	if (id->wwpn) {
		identity_wwn_format(id->wwpn, text);
		json_member_text(out, "wwpn", text);
	}
	if (id->wwnn) {
		identity_wwn_format(id->wwnn, text);
		json_member_text(out, "wwnn", text);
	}
	json_close(out, '}');
}

static void put_binding(struct buf *out, const struct sim_names *names,
			const struct provider_binding *b)
{
	char name[TOPO_NAME_MAX];

	buf_text(out, "{");
	sim_names_function(names, b->function, name);
	json_member_text(out, "function", name);
	sim_names_host(names, b->host, name);
	json_member_text(out, "host", name);
	json_member_number(out, "vport", b->vport);
	put_identity(out, &b->identity);
	json_member_number(out, "generation", b->generation);
	json_close(out, '}');
	buf_text(out, "\n");
}

static int do_bindings(struct sim_control *c, const struct request *request, struct buf *answer)
{
	OWNED(buf_done) struct buf lines = { 0 };
	const struct sim_map *map = sim_model_map(c->model);
	unsigned long after = request->count > 1 ? strtoul(request->words[1], NULL, 10) : 0;
	size_t n = 0, i = after;

	for (; i < map->function_count && n < SIM_CONTROL_PAGE; i++) {
		if (!map->functions[i].now.host)
			continue;
		put_binding(&lines, c->names, &map->functions[i].now);
		n++;
	}
	buf_printf(answer, "%zu\n", i < map->function_count ? i : 0);
	buf_bytes(answer, lines.data, lines.length);
	return lines.failed ? -ENOMEM : 0;
}

/* faults */

static int list_faults(const struct sim_control *c, struct buf *answer)
{
	const struct sim_fault *faults;
	size_t count = sim_model_faults(c->model, &faults);

	for (size_t i = 0; i < count; i++) {
		char text[PROVIDER_TEXT_MAX];

		sim_fault_format(&faults[i], text);
		buf_printf(answer, "%s\n", text);
	}
	return 0;
}

static bool is_action(const char *word)
{
	return !strcmp(word, "clear") || !strcmp(word, "reboot-old");
}

static void fault_act(struct sim_model *model, const char *word)
{
	if (!strcmp(word, "clear"))
		sim_model_fault_clear(model);
	else
		sim_model_reboot(model, SIM_MODEL_OLDER);
}

/* How many more would be set when "clear" makes room on the way. */
static bool faults_fit(const struct sim_control *c, const struct request *request)
{
	const struct sim_fault *faults;
	size_t count = sim_model_faults(c->model, &faults);

	for (size_t i = 1; i < request->count; i++) {
		if (!strcmp(request->words[i], "clear"))
			count = 0;
		else if (!is_action(request->words[i]) && ++count > SIM_MODEL_FAULTS)
			return false;
	}
	return true;
}

static int do_fault(struct sim_control *c, const struct request *request, struct buf *answer)
{
	struct sim_fault faults[WORDS] = { 0 };
	char why[PROVIDER_TEXT_MAX];

	if (request->count == 1)
		return list_faults(c, answer);
	for (size_t i = 1; i < request->count; i++)
		if (!is_action(request->words[i]) &&
		    sim_fault_parse(request->words[i], &faults[i], why))
			return bad(answer, "%.60s: %s", request->words[i], why);
	if (!faults_fit(c, request))
		return bad(answer, "at most %d faults at once", SIM_MODEL_FAULTS);
	for (size_t i = 1; i < request->count; i++) {
		if (is_action(request->words[i]))
			fault_act(c->model, request->words[i]);
		else if (sim_model_fault(c->model, &faults[i]))
			return bad(answer, "at most %d faults at once", SIM_MODEL_FAULTS);
	}
	return 0;
}

/* blades and cards */

/* 0 for @yes, 1 for @no, -1 for anything else. */
static int either(const char *word, const char *yes, const char *no)
{
	if (!strcmp(word, yes))
		return 0;
	return strcmp(word, no) ? -1 : 1;
}

static int host_what(const char *word)
{
	static const char *const words[] = {
		[SIM_HOST_POWER] = "power", [SIM_HOST_LINK] = "link", [SIM_HOST_TRAFFIC] = "traffic"
	};

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

static int do_host(struct sim_control *c, const struct request *request, struct buf *answer)
{
	static const char form[] = "host NAME power|link|traffic on|off";
	uint16_t host;
	int what, off;

	if (request->count != 4)
		return bad(answer, "%s", form);
	host = sim_names_host_find(c->names, request->words[1]);
	what = host_what(request->words[2]);
	off = either(request->words[3], "on", "off");
	if (what < 0 || off < 0)
		return bad(answer, "%s", form);
	if (!host || sim_model_host(c->model, host, (enum sim_host_what)what, !off))
		return bad(answer, "no host \"%.60s\"", request->words[1]);
	return 0;
}

static int do_adapter(struct sim_control *c, const struct request *request, struct buf *answer)
{
	uint32_t adapter;
	int pull;

	if (request->count != 3)
		return bad(answer, "adapter NAME pull|plug");
	adapter = sim_names_adapter_find(c->names, request->words[1]);
	pull = either(request->words[2], "plug", "pull");
	if (pull < 0)
		return bad(answer, "adapter NAME pull|plug");
	if (!adapter || sim_model_adapter(c->model, adapter, !pull))
		return bad(answer, "no adapter \"%.60s\"", request->words[1]);
	return 0;
}

/* "sw0/p12", as the manager names ports. */
static uint32_t slot_by_port(const struct sim_map *map, const char *name)
{
	char own[TOPO_NAME_MAX];

	for (uint32_t i = 1; i <= map->adapter_count; i++) {
		const struct provider_adapter *a = &map->adapters[i - 1];

		topo_name_port(map->switches[a->switch_handle - 1].name, a->port, own);
		if (!strcmp(own, name))
			return i;
	}
	return 0;
}

static int slot_list(const struct sim_control *c, uint32_t adapter, struct buf *answer)
{
	static const char *const leds[] = { "off", "on", "blink" };
	const struct sim_slot *slot = &sim_model_map(c->model)->slots[adapter - 1];

	buf_printf(answer, "card %s, power %s, attention %s\n",
		   slot->out ? "out" : c->names->adapters[adapter - 1], slot->off ? "off" : "on",
		   leds[slot->attention]);
	return 0;
}

static int slot_what(const char *word)
{
	static const char *const words[] = { [SIM_SLOT_OUT] = "out",
					     [SIM_SLOT_IN] = "in",
					     [SIM_SLOT_SWAP] = "swap",
					     [SIM_SLOT_BUTTON] = "button" };

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

static int do_slot(struct sim_control *c, const struct request *request, struct buf *answer)
{
	const char *serial = request->count == 4 ? request->words[3] : NULL;
	uint32_t adapter;
	int what = 0, r;

	if (request->count > 2)
		what = slot_what(request->words[2]);
	if (request->count < 2 || request->count > 4 || what < 0 ||
	    (serial && what != SIM_SLOT_IN && what != SIM_SLOT_SWAP) ||
	    (what == SIM_SLOT_SWAP && !serial))
		return bad(answer, "slot PORT [in [SERIAL]|out|button|swap SERIAL]");
	if (serial && strlen(serial) >= PROVIDER_NAME_MAX)
		return bad(answer, "a serial number has at most %d characters",
			   PROVIDER_NAME_MAX - 1);
	adapter = slot_by_port(sim_model_map(c->model), request->words[1]);
	if (!adapter)
		return bad(answer, "no slot at \"%.60s\"", request->words[1]);
	if (request->count == 2)
		return slot_list(c, adapter, answer);
	r = sim_model_slot(c->model, adapter, (enum sim_slot_what)what, serial);
	if (r == REFUSE_TWICE)
		return bad(answer, "the card %.60s is in another slot", serial);
	if (r)
		return bad(answer, "the slot at %.60s is %s", request->words[1],
			   what == SIM_SLOT_IN ? "taken" : "empty");
	if (serial)
		sim_names_card(c->names, adapter);
	return 0;
}

static const struct {
	const char *word;
	int (*run)(struct sim_control *, const struct request *, struct buf *);
} requests[] = {
	{ "bindings", do_bindings }, { "fault", do_fault }, { "host", do_host },
	{ "adapter", do_adapter },   { "slot", do_slot },
};

int sim_control(struct sim_control *control, const char *request, struct buf *answer)
{
	struct request split = { .count = 0 };
	char *at = split.text, *word;

	if (strlen(request) >= sizeof(split.text))
		return bad(answer, "the request is too long");
	memcpy(split.text, request, strlen(request));
	while ((word = strsep(&at, " ")) != NULL) {
		if (!*word)
			continue;
		if (split.count == WORDS)
			return bad(answer, "too many words");
		split.words[split.count++] = word;
	}
	for (size_t i = 0; split.count && i < sizeof(requests) / sizeof(requests[0]); i++)
		if (!strcmp(requests[i].word, split.words[0]))
			return requests[i].run(control, &split, answer);
	return bad(answer, "no such request");
}
