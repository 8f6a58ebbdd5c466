/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts say of themselves, and places that cannot be told, at the brain itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain_fixture.h"
#include "common/log.h"
#include "db/db.h"
#include "fabricd/state.h"

enum { HOSTS = 4, STEADY_MS = 60000, SETTLED_MS = 2000, MAC1 = 0x0200000000a1, GROUP = 2 };

static const char *const DISK1 = "nvme-0001/f0";
static const char *const DISK2 = "nvme-0002/f0";
static const char *const NIC = "nic-0003/f0";
static const char *const GPU0 = "gpu-0004/f0";
static const char *const GPU1 = "gpu-0004/f1";
static const char *const BOOT = "6a39c2a2-7a9c-4e0e-8f3a-000000000001"; /* of brain_beat() */

/* What the tap tells otherwise than the model does. */
struct lies {
	uint32_t unknown[GROUP]; /* handles: where they are cannot be told */
	bool forgets;            /* nor where they were */
	uint32_t elsewhere;      /* handle: on @at, outside of its virtual switch */
	uint64_t generation;     /* that it shows there */
	uint16_t at;
	uint32_t dead; /* handle: does not answer */
	bool is_off;   /* READ_HOST says that the host is off */
	bool is_hung;  /* READ_HOST fails */
	unsigned reads;
	struct fabric_ask ask;
	char asked[FABRIC_NAME_MAX];
	unsigned asks;
	int ask_result;
};

static struct brain b;
static struct lies lies;

static void on_binding(struct brain *brain, struct provider_binding *now)
{
	(void)brain;
	for (size_t i = 0; i < GROUP; i++) {
		if (!lies.unknown[i] || now->function != lies.unknown[i])
			continue;
		now->unknown = true;
		if (!lies.forgets)
			continue;
		now->host = 0;
		now->vport = 0;
		now->generation = 0;
	}
	if (lies.elsewhere && now->function == lies.elsewhere) {
		now->host = lies.at;
		now->vport = PROVIDER_VPORTS_MAX;
		now->generation = lies.generation;
	}
	if (lies.dead && now->function == lies.dead)
		now->present = false;
}

static void on_host(struct brain *brain, struct provider_completion *done)
{
	(void)brain;
	lies.reads++;
	if (lies.is_off) {
		done->host.power_known = true;
		done->host.power = false;
		done->host.link = false;
	}
	if (lies.is_hung)
		done->outcome = PROVIDER_FAILED;
}

static void on_scan(struct brain *brain, struct provider_scan *scan)
{
	(void)brain;
	for (size_t i = 0; i < scan->host_count; i++)
		scan->hosts[i].first_slot = (uint16_t)(16 * (i + 1));
}

static int setup_with(bool is_unknown)
{
	struct sim_chassis *c = sim_chassis_new("seen");
	char path[SIM_CHASSIS_WHY];
	char why[SIM_CHASSIS_WHY];
	struct sim_adapter *gpu;

	log_setup("test_seen", (enum log_level)0);
	lies = (struct lies){ .unknown = { is_unknown ? 1 : 0 }, .forgets = is_unknown };
	assert_non_null(sim_chassis_add_switch(c, "sw0"));
	c->command_ms = 1;
	c->timeout_ms = 1000;
	c->has_barrier = true;
	for (unsigned i = 1; i <= HOSTS; i++) {
		struct sim_host *host;
		char bay[16];

		(void)snprintf(bay, sizeof(bay), "bay%u", i);
		host = sim_chassis_add_host(c, bay, 1);
		assert_non_null(host);
		host->vports = 8;
		host->window_bytes = 512 << 20;
	}
	assert_non_null(sim_chassis_add_adapter(c, sim_device_find("nvme"), "FAB0001", 1));
	assert_non_null(sim_chassis_add_adapter(c, sim_device_find("nvme"), "FAB0002", 1));
	assert_non_null(
		sim_chassis_add_adapter(c, sim_device_find("ethernet-plain"), "FAB0003", 1));
	gpu = sim_chassis_add_adapter(c, sim_device_find("gpu"), "FAB0004", 1);
	assert_non_null(gpu);
	gpu->pfs = 2;
	assert_int_equal(sim_chassis_check(c, path, why), 0);
	brain_init_take(&b, c);
	b.on_binding = on_binding;
	b.on_host = on_host;
	b.on_scan = on_scan;
	brain_run(&b, STEADY_MS);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(false);
}

static int setup_unknown(void **state)
{
	(void)state;
	return setup_with(true);
}

static int teardown(void **state)
{
	(void)state;
	brain_done(&b);
	return 0;
}

/* ---- looking and asking ---- */

static const struct fabric_function *function(const char *name)
{
	const struct fabric_function *fn = fabric_function_find(b.fabric, name);

	assert_non_null(fn);
	return fn;
}

static uint32_t handle(const char *name)
{
	return function(name)->as.handle;
}

static unsigned at_switch(const char *name)
{
	return sim_model_map(b.model)->functions[handle(name) - 1].now.host;
}

static int request(enum db_op verb, const char *fn, const char *host, uint64_t mac)
{
	struct fabric_request_op op = { .op = verb, .has_identity = mac != 0 };
	const struct fabric_request request = { .ops = &op, .op_count = 1 };
	struct fabric_problem problem;

	(void)snprintf(op.function, sizeof(op.function), "%s", fn);
	(void)snprintf(op.host, sizeof(op.host), "%s", host);
	op.identity.mac = mac;
	return fabric_change_request(b.fabric, &request, &problem, NULL, NULL);
}

static const struct fabric_item *last_item(void)
{
	size_t count;
	const struct fabric_change *const *changes = fabric_changes(b.fabric, &count);

	assert_int_not_equal(count, 0);
	return &changes[count - 1]->items[0];
}

static void assign(const char *fn, const char *host, uint64_t mac)
{
	assert_int_equal(request(DB_OP_ASSIGN, fn, host, mac), 0);
	brain_run(&b, SETTLED_MS);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
}

struct tally {
	const char *type;
	const char *subject;
	unsigned count;
	char detail[DB_TEXT_MAX];
};

static void tally_event(void *arg, const struct db_event *event)
{
	struct tally *t = arg;

	if (strcmp(event->type, t->type) != 0 || strcmp(event->subject, t->subject) != 0)
		return;
	t->count++;
	(void)snprintf(t->detail, sizeof(t->detail), "%s", event->detail);
}

static struct tally events(const char *type, const char *subject)
{
	struct tally t = { .type = type, .subject = subject };
	uint64_t first;

	(void)fabric_events_after(b.fabric, 0, tally_event, &t, &first);
	return t;
}

struct found {
	const char *subject;
	const char *kind;
	char detail[DB_TEXT_MAX];
};

static void find_difference(void *arg, const struct fabric_difference *d)
{
	struct found *found = arg;

	if (strcmp(d->subject, found->subject) != 0)
		return;
	found->kind = d->kind;
	(void)snprintf(found->detail, sizeof(found->detail), "%s", d->detail);
}

static struct found difference(const char *subject)
{
	struct found found = { .subject = subject };

	fabric_differences(b.fabric, find_difference, &found);
	return found;
}

/* The switch says that something is other than it was; all is scanned again. */
static void rescan(void)
{
	const struct provider_event event = { .kind = PROVIDER_EVENT_CHANGED };

	b.sink.told(b.sink.arg, &event);
	brain_run(&b, SETTLED_MS);
}

static size_t change_count(void)
{
	size_t count;

	(void)fabric_changes(b.fabric, &count);
	return count;
}

/* ---- places that cannot be told ---- */

/* The host that may have it hangs: it has been neither found nor missed. */
static void s1_a_function_that_cannot_be_told_is_bound_nowhere_else(void **state)
{
	(void)state;
	lies.unknown[0] = handle(DISK1);
	lies.forgets = true;

	assert_int_equal(request(DB_OP_ASSIGN, DISK1, "bay2", 0), 0);
	brain_run(&b, 600000);

	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(last_item()->row.state, DB_CHANGE_RUNNING);
	assert_string_equal(last_item()->step, "waits: a host does not answer, it may have it");
	lies.unknown[0] = 0;
	brain_run(&b, SETTLED_MS);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_int_equal(at_switch(DISK1), 2);
}

static void s1_a_move_from_a_host_that_hangs_names_it_and_goes_on_when_it_answers(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	lies.unknown[0] = handle(DISK1);
	lies.forgets = true; /* we do not */

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, 30000);

	assert_int_equal(at_switch(DISK1), 1);
	assert_string_equal(last_item()->step, "waits: bay1 does not answer, it may have it");
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_DOUBT);
	lies.unknown[0] = 0;
	brain_run(&b, SETTLED_MS);
	assert_int_equal(at_switch(DISK1), 2);
}

static void others_in_the_same_read_go_on(void **state)
{
	struct fabric_request_op ops[2] = { { .op = DB_OP_ASSIGN }, { .op = DB_OP_ASSIGN } };
	const struct fabric_request both = { .ops = ops, .op_count = 2 };
	struct fabric_problem problem;

	(void)state;
	lies.unknown[0] = handle(DISK1);
	(void)snprintf(ops[0].function, sizeof(ops[0].function), "%s", DISK1);
	(void)snprintf(ops[1].function, sizeof(ops[1].function), "%s", DISK2);
	(void)snprintf(ops[0].host, sizeof(ops[0].host), "bay1");
	(void)snprintf(ops[1].host, sizeof(ops[1].host), "bay1");

	assert_int_equal(fabric_change_request(b.fabric, &both, &problem, NULL, NULL), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(at_switch(DISK2), 1);
}

static void s1_a_scan_that_cannot_tell_is_no_loss_and_begins_no_repair(void **state)
{
	size_t before;

	(void)state;
	assign(DISK1, "bay1", 0);
	before = change_count();
	lies.unknown[0] = handle(DISK1);
	lies.forgets = true;

	rescan();
	brain_run(&b, 30000);

	assert_int_equal(change_count(), before);
	assert_string_equal(difference(DISK1).kind, "in-doubt");
	assert_string_equal(difference(DISK1).detail, "assigned to bay1 vport 1; bay1 does not "
						      "answer, it may have it");
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_DOUBT);
	lies.unknown[0] = 0;
	rescan();
	assert_null(difference(DISK1).kind);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BOUND);
	assert_int_equal(change_count(), before);
}

/* S16: the other function of its card may be in use by a host that hangs. */
static void s16_a_card_is_not_reset_while_one_of_it_cannot_be_told(void **state)
{
	(void)state;
	lies.unknown[0] = handle(GPU0);
	lies.forgets = true;
	rescan();

	assert_int_equal(request(DB_OP_ASSIGN, GPU1, "bay2", 0), REFUSE_BLAST);
	assert_int_equal(fabric_function_state(function(GPU0)), FABRIC_FUNCTION_DOUBT);
}

/* Both of a card are given, and one of them stops being told while the other waits to be reset. */
static void s16_nor_in_the_middle_of_a_change(void **state)
{
	struct fabric_request_op ops[2] = { { .op = DB_OP_ASSIGN }, { .op = DB_OP_ASSIGN } };
	const struct fabric_request both = { .ops = ops, .op_count = 2 };
	struct fabric_problem problem;

	(void)state;
	lies.unknown[0] = handle(GPU0);
	lies.forgets = true;
	(void)snprintf(ops[0].function, sizeof(ops[0].function), "%s", GPU0);
	(void)snprintf(ops[1].function, sizeof(ops[1].function), "%s", GPU1);
	(void)snprintf(ops[0].host, sizeof(ops[0].host), "bay1");
	(void)snprintf(ops[1].host, sizeof(ops[1].host), "bay1");

	assert_int_equal(fabric_change_request(b.fabric, &both, &problem, NULL, NULL), 0);
	brain_run(&b, 30000);

	assert_int_equal(at_switch(GPU1), 0);
	lies.unknown[0] = 0;
	brain_run(&b, SETTLED_MS);
	assert_int_equal(at_switch(GPU0), 1);
	assert_int_equal(at_switch(GPU1), 1);
}

/* Where all that can be seen is unbound, what cannot be told may be somebody's. */
static void a_new_database_is_not_in_charge_of_what_cannot_be_told(void **state)
{
	struct fabric_health health;

	(void)state;

	fabric_health_get(b.fabric, &health);
	assert_true(health.ready);
	assert_false(health.adopted);
}

/* S19: it was asked for before the switch had settled, and is answered after. */
static void s19_a_scan_from_before_a_reboot_is_none_after_it(void **state)
{
	const struct provider_event changed = { .kind = PROVIDER_EVENT_CHANGED };
	const struct provider_event reboot = { .kind = PROVIDER_EVENT_REBOOT,
					       .boot_id = "another" };
	struct fabric_provider_view view = { .reconciled = false };

	(void)state;
	b.sink.told(b.sink.arg, &changed);
	b.sink.told(b.sink.arg, &reboot);

	for (unsigned steps = 0; steps < 10000 && !view.reconciled; steps++) {
		brain_step(&b);
		fabric_provider_get(b.fabric, 0, &view);
	}

	assert_true(view.reconciled);
}

/* ---- bindings outside of the virtual switch ---- */

static void what_a_host_brings_along_is_foreign_and_named(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	lies.elsewhere = handle(DISK1);
	lies.at = 1;
	rescan();

	assert_string_equal(difference(DISK1).kind, "foreign");
	assert_string_equal(difference(DISK1).detail,
			    "assigned to bay1 vport 1; it is on bay1, outside of its virtual "
			    "switch");
}

static void s1_what_a_host_brings_along_is_neither_unbound_nor_bound(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	lies.elsewhere = handle(DISK1);
	lies.at = 1;

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(last_item()->row.state, DB_CHANGE_FAILED);
	assert_string_equal(last_item()->row.reason,
			    "it is on bay1 outside of its virtual switch, and only bay1 can let "
			    "it go");
	assert_int_equal(at_switch(DISK1), 1);
}

/* It may show there what it was given with once. */
static void s1_what_a_host_brings_along_is_foreign_whatever_generation_it_shows(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	lies.generation = fabric_function_find(b.fabric, DISK1)->generation;
	assert_int_equal(request(DB_OP_RELEASE, DISK1, "", 0), 0);
	brain_run(&b, SETTLED_MS);
	assign(DISK1, "bay1", 0);
	lies.elsewhere = handle(DISK1);
	lies.at = 1;

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(last_item()->row.state, DB_CHANGE_FAILED);
	assert_int_equal(at_switch(DISK1), 1);
}

static void what_a_host_brings_along_is_not_adopted(void **state)
{
	struct fabric_plan plan = { 0 };

	(void)state;
	lies.elsewhere = handle(DISK1);
	lies.at = 1;
	rescan();

	assert_int_equal(fabric_adopt(b.fabric, true, 0, &plan, NULL, NULL), 0);

	assert_int_equal(plan.item_count, 1);
	assert_int_equal(plan.items[0].row.state, DB_CHANGE_REFUSED);
	fabric_plan_done(&plan);
	assert_int_equal(request(DB_OP_ASSIGN, DISK1, "bay2", 0), REFUSE_FUNCTION_BOUND);
}

/* ---- both views joined ---- */

enum { PATIENCE_MS = 10000 };

/* As bay1's kernel shows DISK1 in the slot of vport @vport. */
static struct fabric_seen disk_at(unsigned vport)
{
	const struct fabric_function *fn = function(DISK1);
	struct fabric_seen row = { .address = "0000:05:00.0",
				   .driver = "nvme",
				   .serial = "FAB0001",
				   .class_code = 0x010802,
				   .vendor = fn->as.vendor,
				   .device = fn->as.device,
				   .slot = (uint16_t)(15 + vport),
				   .link = FABRIC_SEEN_LINK_UP };

	return row;
}

static struct fabric_seen nic_as(uint64_t mac)
{
	const struct fabric_function *fn = function(NIC);
	struct fabric_seen row = { .address = "0000:06:00.0",
				   .driver = "e1000e",
				   .class_code = 0x020000,
				   .mac = mac,
				   .vendor = fn->as.vendor,
				   .device = fn->as.device };

	return row;
}

static void tell(const char *host, const char *boot, const struct fabric_seen *rows, size_t count)
{
	assert_int_equal(fabric_host_seen(b.fabric, host, boot, rows, count), 0);
	brain_run(&b, 100);
}

static enum fabric_join joined(const char *name, char *detail)
{
	struct fabric_joined out;

	fabric_function_joined(b.fabric, function(name), &out);
	(void)snprintf(detail, DB_TEXT_MAX, "%s", out.detail);
	return out.condition;
}

static void what_is_bound_is_seen_in_its_slot_and_said_once(void **state)
{
	const struct fabric_seen rows[] = { { .address = "0000:00:01.0" }, disk_at(1) };
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_UNREPORTED);

	tell("bay1", BOOT, rows, 2);
	tell("bay1", BOOT, rows, 2);

	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
	assert_string_equal(detail, "seen by bay1 as 0000:05:00.0, driver nvme, serial FAB0001, "
				    "link up");
	assert_int_equal(events("function.seen", DISK1).count, 1);
	assert_string_equal(events("function.seen", DISK1).detail, detail);
	assert_ptr_equal(fabric_seen_function(b.fabric, fabric_host_find(b.fabric, "bay1"),
					      &fabric_host_find(b.fabric, "bay1")->seen[1]),
			 function(DISK1));
	assert_null(fabric_seen_function(b.fabric, fabric_host_find(b.fabric, "bay1"),
					 &fabric_host_find(b.fabric, "bay1")->seen[0]));
}

static void without_a_slot_it_is_found_by_its_mac_or_its_serial(void **state)
{
	struct fabric_seen rows[] = { nic_as(MAC1), disk_at(1) };
	char detail[DB_TEXT_MAX];

	(void)state;
	rows[1].slot = 0;
	assign(DISK1, "bay1", 0);
	assign(NIC, "bay1", MAC1);

	tell("bay1", BOOT, rows, 2);

	assert_int_equal(joined(NIC, detail), FABRIC_JOIN_SEEN);
	assert_string_equal(detail,
			    "seen by bay1 as 0000:06:00.0, driver e1000e, MAC 02:00:00:00:00:a1");
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
}

static void what_is_bound_and_not_seen_is_told_once_after_patience(void **state)
{
	char detail[DB_TEXT_MAX];

	(void)state;
	tell("bay1", BOOT, NULL, 0);
	assign(DISK1, "bay1", 0);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_AWAITED);
	assert_string_equal(detail, "bound, not seen yet");
	assert_int_equal(events("function.not-seen", DISK1).count, 0);

	brain_run(&b, PATIENCE_MS);
	tell("bay1", BOOT, NULL, 0); /* saying it again is no reason to wait again */
	brain_run(&b, 10 * PATIENCE_MS);

	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_NOT_SEEN);
	assert_string_equal(detail, "bound but not seen after 10 s");
	assert_int_equal(events("function.not-seen", DISK1).count, 1);
	assert_string_equal(events("function.not-seen", DISK1).detail,
			    "bound but not seen after 10 s by bay1");
}

/* A host that has just begun to tell has had no time yet. */
static void patience_counts_from_the_first_view_of_a_boot(void **state)
{
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	brain_run(&b, 3 * PATIENCE_MS);

	tell("bay1", BOOT, NULL, 0);

	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_AWAITED);
}

static void what_differs_is_named(void **state)
{
	struct fabric_seen rows[] = { nic_as(0x0200000000ff), disk_at(1) };
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	assign(NIC, "bay1", MAC1);
	rows[0].slot = 17; /* vport 2 */
	(void)snprintf(rows[1].serial, sizeof(rows[1].serial), "FAB0009");

	tell("bay1", BOOT, rows, 2);

	assert_int_equal(joined(NIC, detail), FABRIC_JOIN_OTHER_MAC);
	assert_string_equal(detail, "seen with another MAC: 02:00:00:00:00:ff, not "
				    "02:00:00:00:00:a1; seen by bay1 as 0000:06:00.0, driver "
				    "e1000e, MAC 02:00:00:00:00:ff");
	assert_int_equal(events("function.difference", NIC).count, 1);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_OTHER_SERIAL);
	rows[1].device++;
	tell("bay1", BOOT, rows, 2);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_OTHER_DEVICE);
}

static void a_driver_is_given_its_time(void **state)
{
	struct fabric_seen row = disk_at(1);
	char detail[DB_TEXT_MAX];

	(void)state;
	row.driver[0] = '\0';
	assign(DISK1, "bay1", 0);

	tell("bay1", BOOT, &row, 1);

	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_NO_DRIVER);
	assert_int_equal(events("function.difference", DISK1).count, 0);
	brain_run(&b, PATIENCE_MS);
	assert_int_equal(events("function.difference", DISK1).count, 1);
}

/* A host that says now this, now that, ten times a second. */
static void a_view_that_flaps_does_not_flood_the_history(void **state)
{
	struct fabric_seen row = disk_at(1);
	uint64_t begin_ms;

	(void)state;
	assign(DISK1, "bay1", 0);
	begin_ms = b.now_ms;

	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(row.serial, sizeof(row.serial), "%s", i & 1 ? "FAB0001" : "FAB0009");
		tell("bay1", BOOT, &row, 1);
	}

	assert_in_range(events("function.seen", DISK1).count +
				events("function.difference", DISK1).count,
			1, (b.now_ms - begin_ms) / PATIENCE_MS + 1);
}

static void a_view_is_forgotten_with_the_boot_that_told_it(void **state)
{
	const struct fabric_seen row = disk_at(1);
	char detail[DB_TEXT_MAX];
	uint64_t epoch;

	(void)state;
	assign(DISK1, "bay1", 0);
	tell("bay1", BOOT, &row, 1);
	b.silent[0] = true; /* under BOOT */

	assert_int_equal(fabric_beat(b.fabric, "bay1", "another", 1, b.now_ms, &epoch), 0);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_UNREPORTED);
	assert_int_equal(fabric_host_find(b.fabric, "bay1")->seen_count, 0);
	tell("bay1", BOOT, &row, 1); /* late, of the boot before */
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_UNREPORTED);
	tell("bay1", "another", &row, 1);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
}

static void a_view_is_forgotten_with_the_fence(void **state)
{
	const struct fabric_seen row = disk_at(1);
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	tell("bay1", BOOT, &row, 1);
	b.silent[0] = true;

	brain_run(&b, 20000);
	assert_int_equal(fabric_host_find(b.fabric, "bay1")->seen_count, 0);
	tell("bay1", BOOT, &row, 1);

	assert_int_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_not_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
}

static void what_cannot_be_a_view_is_refused(void **state)
{
	(void)state;

	assert_int_equal(fabric_host_seen(b.fabric, "bay9", BOOT, NULL, 0), REFUSE_NO_HOST);
	assert_int_equal(fabric_host_seen(b.fabric, "bay1", BOOT, NULL, FABRIC_SEEN_MAX + 1),
			 REFUSE_TOO_LARGE);
}

/* ---- hints ---- */

static void a_hint_makes_the_manager_look_and_proof_cuts_the_wait_short(void **state)
{
	(void)state;
	lies.is_off = true;
	lies.reads = 0;
	b.silent[0] = true;

	fabric_host_hint(b.fabric, "bay1", "end of file on its port");
	fabric_host_hint(b.fabric, "bay1", "end of file on its port");
	brain_run(&b, 50);

	assert_int_equal(events("host.hint", "bay1").count, 1);
	assert_int_not_equal(lies.reads, 0);
	assert_int_not_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(events("host.fencing", "bay1").count, 1);
}

/* S7: end-of-file says nothing of a host that the switch has on. */
static void s7_a_hint_alone_is_no_verdict(void **state)
{
	(void)state;
	lies.reads = 0;

	for (unsigned i = 0; i < 100; i++) {
		fabric_host_hint(b.fabric, "bay1", "end of file on its port");
		brain_run(&b, 100);
	}

	assert_in_range(lies.reads, 1, 100);
	assert_int_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(events("host.fencing", "bay1").count, 0);
}

static void s7_nor_is_a_host_that_cannot_be_read(void **state)
{
	(void)state;
	lies.is_hung = true;
	lies.is_off = true; /* what a failed read says beside counts not */

	fabric_host_hint(b.fabric, "bay1", "end of file on its port");
	brain_run(&b, 10000);

	assert_int_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_ALIVE);
	lies.is_hung = false;
	lies.is_off = false;
	fabric_host_hint(b.fabric, "bay1", "end of file on its port");
	brain_run(&b, 100);
	assert_int_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_ALIVE);
}

/* ---- managed removal ---- */

static int on_ask(struct brain *brain, const char *host, const struct fabric_ask *ask)
{
	(void)brain;
	lies.asks++;
	lies.ask = *ask;
	(void)snprintf(lies.asked, sizeof(lies.asked), "%s", host);
	return lies.ask_result;
}

/* DISK1 is at bay1, seen there, and bay1's agent can be asked. */
static void disk_with_an_agent(void)
{
	const struct fabric_seen row = disk_at(1);

	b.on_ask = on_ask;
	assign(DISK1, "bay1", 0);
	tell("bay1", BOOT, &row, 1);
}

static void a_host_that_is_alive_is_asked_before_a_function_is_taken_from_it(void **state)
{
	(void)state;
	disk_with_an_agent();
	assert_int_equal(lies.asks, 0);

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(lies.asks, 1);
	assert_string_equal(lies.asked, "bay1");
	assert_string_equal(lies.ask.address, "0000:05:00.0");
	assert_string_equal(lies.ask.function, DISK1);
	assert_int_equal(lies.ask.slot, 16);
	assert_int_equal(lies.ask.deadline_ms, 30000);
	assert_int_equal(at_switch(DISK1), 1);
	assert_string_equal(last_item()->step, "waits for bay1's agent to let go");
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_DONE, "");
	brain_run(&b, SETTLED_MS);
	assert_int_equal(at_switch(DISK1), 2);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_int_equal(lies.asks, 1);
	assert_string_equal(events("function.answered", DISK1).detail, "bay1: has let go");
}

/* What the host has not found yet its hooks know nothing of: they would be passed by. */
static void what_a_host_has_not_found_yet_is_not_asked_for(void **state)
{
	const struct fabric_seen row = disk_at(1);
	struct config config = *fabric_config(b.fabric);

	(void)state;
	config.host_count = 1;
	(void)snprintf(config.hosts[0].name, sizeof(config.hosts[0].name), "bay1");
	(void)snprintf(config.hosts[0].serial, sizeof(config.hosts[0].serial), "/port");
	fabric_configure(b.fabric, &config);
	b.on_ask = on_ask;
	tell("bay1", BOOT, NULL, 0);
	assign(DISK1, "bay1", 0);
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, 500);
	assert_int_equal(lies.asks, 0);
	assert_string_equal(last_item()->step, "waits until bay1 shows it");

	tell("bay1", BOOT, &row, 1);
	assert_int_equal(lies.asks, 1);
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_DONE, "");
	brain_run(&b, SETTLED_MS);
	assert_int_equal(at_switch(DISK1), 2);
}

/* Somebody else's command, straight at the switch. */
static void foreign(enum provider_verb verb, const char *fn, uint16_t host, uint16_t vport,
		    uint64_t generation)
{
	const struct provider_op op = { .attempt = 1ull << 60,
					.generation = generation,
					.verb = verb,
					.function = handle(fn),
					.host = host,
					.vport = vport,
					.deadline_ms = b.now_ms + 1000 };

	assert_int_equal(b.provider->ops->submit(b.provider, &op), 0);
	brain_run(&b, 20);
}

/* bay1 has nothing to let go of any more. */
static void an_agent_is_not_asked_for_what_the_switch_shows_elsewhere(void **state)
{
	(void)state;
	disk_with_an_agent();
	/* A map of ours, as the switch had it before. */
	((struct fabric_function *)function(DISK1))->highest += 5;
	foreign(PROVIDER_UNBIND, DISK1, 1, 0, 0);
	foreign(PROVIDER_BIND, DISK1, 2, 8, function(DISK1)->highest - 1);

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(lies.asks, 0);
	assert_int_equal(at_switch(DISK1), 2);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
}

static void what_stops_answering_is_given_to_nobody_and_may_be_let_go(void **state)
{
	(void)state;
	assert_int_equal(request(DB_OP_ASSIGN, DISK1, "bay1", 0), 0);
	lies.dead = handle(DISK1);
	brain_run(&b, SETTLED_MS);
	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(last_item()->row.state, DB_CHANGE_PARKED);
	assert_string_equal(last_item()->row.reason, "the device does not answer");

	assert_int_equal(request(DB_OP_RELEASE, DISK1, "", 0), 0);
	brain_run(&b, SETTLED_MS);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_string_equal(last_item()->row.reason, "the device does not answer");
	assert_null(function(DISK1)->host);
}

/* S8: the question has a number that is stored before it is asked. */
static void an_agent_is_asked_once_attempts_are_stored(void **state)
{
	(void)state;
	disk_with_an_agent();
	b.commit_ms = 3000;
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	while (!last_item()->change->run.effect_wanted)
		brain_step(&b);
	b.fabric->attempt = b.fabric->attempt_reserved;
	brain_run(&b, 3500);
	assert_int_equal(lies.asks, 0);
	assert_int_equal(at_switch(DISK1), 1);

	b.commit_ms = 1;
	brain_run(&b, 5000);
	assert_int_equal(lies.asks, 1);
	assert_int_not_equal(lies.ask.id, 0);
}

static void who_asks_for_what_only_its_host_can_let_go_is_told_so(void **state)
{
	struct fabric_request_op op = { .op = DB_OP_ASSIGN, .host = "bay1" };
	const struct fabric_request one = { .ops = &op, .op_count = 1 };
	struct fabric_problem problem;

	(void)state;
	(void)snprintf(op.function, sizeof(op.function), "%s", DISK1);
	lies.elsewhere = handle(DISK1);
	lies.at = 2;
	rescan();
	assert_int_equal(fabric_change_request(b.fabric, &one, &problem, NULL, NULL),
			 REFUSE_FUNCTION_BOUND);
	assert_non_null(strstr(problem.reason, "only bay2 can let it go"));
}

static void what_is_outside_of_its_virtual_switch_is_neither_moved_nor_released(void **state)
{
	static const enum db_op ops[] = { DB_OP_MOVE, DB_OP_RELEASE };
	struct fabric_problem problem;

	(void)state;
	assign(DISK1, "bay1", 0);
	lies.elsewhere = handle(DISK1);
	lies.at = 2;
	rescan();
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct fabric_request_op op = { .op = ops[i] };
		const struct fabric_request one = { .ops = &op, .op_count = 1 };

		(void)snprintf(op.function, sizeof(op.function), "%s", DISK1);
		if (ops[i] == DB_OP_MOVE)
			(void)snprintf(op.host, sizeof(op.host), "bay3");
		assert_int_equal(fabric_change_request(b.fabric, &one, &problem, NULL, NULL),
				 REFUSE_FUNCTION_BOUND);
		assert_non_null(strstr(problem.reason, "only bay2 can let it go"));
	}
}

/* ---- which row it is ---- */

static void of_several_in_its_slot_it_is_the_one_that_is_such_a_device(void **state)
{
	struct fabric_seen rows[2];
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	rows[0] = disk_at(1);
	rows[1] = disk_at(1);
	rows[0].device++;
	tell("bay1", BOOT, rows, 2);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
	tell("bay1", BOOT, rows, 1);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_OTHER_DEVICE);
}

/* Both have it: it is their card's. */
static void a_serial_does_not_tell_which_of_two_functions_it_is(void **state)
{
	struct fabric_seen row = { .address = "0000:05:00.0", .serial = "FAB0004" };
	char detail[DB_TEXT_MAX];
	const struct fabric_request_op ops[2] = {
		{ .op = DB_OP_ASSIGN, .function = "gpu-0004/f0", .host = "bay1" },
		{ .op = DB_OP_ASSIGN, .function = "gpu-0004/f1", .host = "bay1" },
	};
	const struct fabric_request both = { .ops = ops, .op_count = 2 };
	struct fabric_problem problem;

	(void)state;
	assert_int_equal(fabric_change_request(b.fabric, &both, &problem, NULL, NULL), 0);
	brain_run(&b, SETTLED_MS);
	tell("bay1", BOOT, &row, 1);

	assert_int_equal(joined(GPU0, detail), FABRIC_JOIN_AWAITED);
	assert_int_equal(joined(GPU1, detail), FABRIC_JOIN_AWAITED);
}

static void another_wwpn_and_a_link_that_is_down_are_told(void **state)
{
	struct fabric_seen row;
	char detail[DB_TEXT_MAX];

	(void)state;
	assign(DISK1, "bay1", 0);
	row = disk_at(1);
	row.link = FABRIC_SEEN_LINK_DOWN;
	tell("bay1", BOOT, &row, 1);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_SEEN);
	assert_non_null(strstr(detail, ", link down"));
	row.link = FABRIC_SEEN_LINK_UNKNOWN;
	row.wwpn = 0x2000000000000002;
	((struct fabric_function *)function(DISK1))->identity.wwpn = 0x2000000000000001;
	tell("bay1", BOOT, &row, 1);
	assert_int_equal(joined(DISK1, detail), FABRIC_JOIN_OTHER_WWPN);
	assert_null(strstr(detail, "link"));
	assert_int_equal(fabric_host_seen(b.fabric, "bay99", BOOT, &row, 1), REFUSE_NO_HOST);
	fabric_host_hint(b.fabric, "bay99", "end of file on its port");
	assert_int_equal(events("host.hint", "bay99").count, 0);
}

static void a_hook_that_says_no_ends_the_change_and_nothing_has_moved(void **state)
{
	uint64_t generation;

	(void)state;
	disk_with_an_agent();
	generation = function(DISK1)->generation;

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_REFUSED,
			      "hook 10-unmount: target is busy");
	brain_run(&b, SETTLED_MS);

	assert_int_equal(last_item()->row.state, DB_CHANGE_FAILED);
	assert_string_equal(last_item()->row.reason, "bay1: hook 10-unmount: target is busy");
	assert_int_equal(at_switch(DISK1), 1);
	assert_string_equal(function(DISK1)->host->name, "bay1");
	assert_int_equal(function(DISK1)->generation, generation);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BOUND);
	assert_null(difference(DISK1).kind);
	assert_null(function(DISK1)->item);
	assert_string_equal(events("function.answered", DISK1).detail,
			    "bay1: refuses to let go: hook 10-unmount: target is busy");
}

static void an_agent_that_has_failed_is_not_waited_for_again(void **state)
{
	(void)state;
	disk_with_an_agent();

	assert_int_equal(request(DB_OP_RELEASE, DISK1, "", 0), 0);
	brain_run(&b, SETTLED_MS);
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_FAILED, "slot is stuck");
	brain_run(&b, SETTLED_MS);

	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_string_equal(events("function.answered", DISK1).detail,
			    "bay1: may have let go: slot is stuck");
}

static void without_an_answer_nothing_is_taken(void **state)
{
	(void)state;
	disk_with_an_agent();

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, 40000);
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_DONE, ""); /* too late */
	brain_run(&b, SETTLED_MS);

	assert_int_equal(last_item()->row.state, DB_CHANGE_FAILED);
	assert_string_equal(last_item()->row.reason,
			    "bay1: its agent was asked to let go and has not answered within 30 s");
	assert_int_equal(at_switch(DISK1), 1);
}

/* It has let go, and its answer was lost: the read-back finds that out, and there is only forward.
 */
static void an_answer_that_was_lost_is_found_by_the_read_back(void **state)
{
	const struct provider_op unbind = { .attempt = 1 << 30,
					    .generation = 1,
					    .deadline_ms = UINT64_MAX,
					    .verb = PROVIDER_UNBIND,
					    .function = handle(DISK1) };

	(void)state;
	disk_with_an_agent();
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(b.provider->ops->submit(b.provider, &unbind), 0);
	brain_run(&b, 40000);

	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_int_equal(at_switch(DISK1), 2);
}

static void where_no_agent_is_reached_it_is_as_ever(void **state)
{
	(void)state;
	disk_with_an_agent();
	lies.ask_result = -ENOTCONN;

	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(at_switch(DISK1), 2);
}

static void a_failover_asks_nobody(void **state)
{
	(void)state;
	disk_with_an_agent();
	assert_int_equal(fabric_host_set_spare(b.fabric, "bay3", true, 0, NULL, NULL), 0);
	b.silent[0] = true;

	brain_run(&b, 30000);

	assert_int_equal(at_switch(DISK1), 3);
	assert_int_equal(lies.asks, 0);
}

/* The host dies while its agent is thinking: nobody waits for the answer. */
static void an_ask_ends_with_the_host_that_was_asked(void **state)
{
	(void)state;
	disk_with_an_agent();
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);
	assert_int_equal(lies.asks, 1);

	assert_int_equal(sim_model_host(b.model, 1, SIM_HOST_POWER, false), 0);
	b.silent[0] = true;
	brain_run(&b, 5000);

	assert_int_equal(fabric_host_find(b.fabric, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(DISK1), 2);
	assert_int_equal(lies.asks, 1);
}

static void answers_of_others_count_not(void **state)
{
	(void)state;
	disk_with_an_agent();
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	fabric_agent_answered(b.fabric, "bay2", lies.ask.id, FABRIC_ASK_DONE, "");
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id + 1, FABRIC_ASK_DONE, "");
	fabric_agent_answered(b.fabric, "bay9", lies.ask.id, FABRIC_ASK_DONE, "");
	brain_run(&b, SETTLED_MS);

	assert_int_equal(at_switch(DISK1), 1);
	assert_int_equal(last_item()->row.state, DB_CHANGE_RUNNING);
}

static void a_plan_names_the_agent_that_is_asked(void **state)
{
	struct fabric_request_op op = { .op = DB_OP_MOVE };
	const struct fabric_request request = { .ops = &op, .op_count = 1 };
	struct fabric_problem problem;
	struct fabric_plan plan;

	(void)state;
	disk_with_an_agent();
	(void)snprintf(op.function, sizeof(op.function), "%s", DISK1);
	(void)snprintf(op.host, sizeof(op.host), "bay2");

	assert_int_equal(fabric_change_plan(b.fabric, &request, &problem, &plan), 0);

	assert_string_equal(plan.items[0].steps[1],
			    "bay1's agent is asked to let go, if it is reached");
	assert_string_equal(plan.items[0].steps[2],
			    "unbind it and read back that it is bound nowhere");
	assert_int_equal(lies.asks, 0);
	fabric_plan_done(&plan);
}

/* ---- adapters that die ---- */

static void the_card_of(const char *name, bool present)
{
	uint32_t adapter = sim_model_map(b.model)->functions[handle(name) - 1].adapter;

	assert_int_equal(sim_model_adapter(b.model, adapter, present), 0);
	brain_run(&b, SETTLED_MS);
}

static void what_stops_answering_while_it_is_bound_is_bad_and_named(void **state)
{
	struct fabric_health health;

	(void)state;
	assign(DISK1, "bay1", 0);

	the_card_of(DISK1, false);
	rescan();

	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BAD);
	assert_int_equal(events("function.bad", DISK1).count, 1);
	assert_string_equal(events("function.bad", DISK1).detail, "does not answer at bay1");
	fabric_health_get(b.fabric, &health);
	assert_string_equal(health.status, "degraded");
	assert_string_equal(health.detail, "nvme-0001/f0 stopped answering and is marked bad");
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), REFUSE_FUNCTION_BAD);
}

static void one_that_nobody_has_is_not_bad(void **state)
{
	(void)state;

	the_card_of(DISK1, false);

	assert_int_equal(events("function.bad", DISK1).count, 0);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_FREE);
}

static void load_function_row(void *arg, const struct db_function *row)
{
	bool *bad = arg;

	if (!strcmp(row->name, DISK1))
		*bad = row->bad;
}

static bool is_stored_as_bad(void)
{
	bool bad = false;
	const struct db_reader reader = { .function = load_function_row, .arg = &bad };
	char why[DB_TEXT_MAX];

	assert_int_equal(db_load(b.db, &reader, why), 0);
	return bad;
}

static void what_is_bad_is_released_and_mends_when_it_answers(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	the_card_of(DISK1, false);
	assert_true(is_stored_as_bad());

	assert_int_equal(request(DB_OP_RELEASE, DISK1, "", 0), 0);
	brain_run(&b, SETTLED_MS);

	assert_int_equal(last_item()->row.state, DB_CHANGE_DONE);
	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BAD);
	assert_int_equal(request(DB_OP_ASSIGN, DISK1, "bay2", 0), REFUSE_FUNCTION_BAD);
	the_card_of(DISK1, true);
	assert_int_equal(events("function.mended", DISK1).count, 1);
	assert_false(is_stored_as_bad());
	assign(DISK1, "bay2", 0);
}

/* It answers, but whoever has it may have lost what it was doing: it is not well by itself. */
static void it_does_not_mend_while_somebody_has_it(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);

	the_card_of(DISK1, false);
	the_card_of(DISK1, true);

	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BAD);
	assert_int_equal(request(DB_OP_RELEASE, DISK1, "", 0), 0);
	brain_run(&b, SETTLED_MS);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_FREE);
	assert_int_equal(events("function.mended", DISK1).count, 1);
}

static void a_read_back_finds_it_too(void **state)
{
	(void)state;
	assign(DISK1, "bay1", 0);
	lies.dead = handle(DISK1);

	rescan();

	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BAD);
}

/* A device that its host's kernel has just let go of is not dead. */
static void what_is_being_let_go_is_not_bad(void **state)
{
	(void)state;
	disk_with_an_agent();
	assert_int_equal(request(DB_OP_MOVE, DISK1, "bay2", 0), 0);
	brain_run(&b, SETTLED_MS);

	the_card_of(DISK1, false);
	the_card_of(DISK1, true);
	fabric_agent_answered(b.fabric, "bay1", lies.ask.id, FABRIC_ASK_DONE, "");
	brain_run(&b, SETTLED_MS);

	assert_int_equal(events("function.bad", DISK1).count, 0);
	assert_int_equal(at_switch(DISK1), 2);
}

/* A host dies with a dead adapter and a good one: the good one moves, and the incident ends. */
static void a_failover_goes_on_with_the_others(void **state)
{
	const struct fabric_incident *incident;

	(void)state;
	assign(DISK1, "bay1", 0);
	assign(DISK2, "bay1", 0);
	assert_int_equal(fabric_host_set_spare(b.fabric, "bay3", true, 0, NULL, NULL), 0);
	the_card_of(DISK1, false);
	b.silent[0] = true;

	brain_run(&b, 60000);

	incident = fabric_incident_find(b.fabric, 1);
	assert_int_equal(incident->row.state, DB_INCIDENT_DONE);
	assert_int_equal(at_switch(DISK2), 3);
	assert_int_equal(at_switch(DISK1), 0);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BAD);
	/* It is held for that profile, and given to it once it answers. */
	the_card_of(DISK1, true);
	brain_run(&b, 60000);
	assert_int_equal(at_switch(DISK1), 3);
	assert_int_equal(fabric_function_state(function(DISK1)), FABRIC_FUNCTION_BOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s1_a_function_that_cannot_be_told_is_bound_nowhere_else),
		TEST(s1_a_move_from_a_host_that_hangs_names_it_and_goes_on_when_it_answers),
		TEST(others_in_the_same_read_go_on),
		TEST(s1_a_scan_that_cannot_tell_is_no_loss_and_begins_no_repair),
		TEST(s16_a_card_is_not_reset_while_one_of_it_cannot_be_told),
		TEST(s16_nor_in_the_middle_of_a_change),
		cmocka_unit_test_setup_teardown(
			a_new_database_is_not_in_charge_of_what_cannot_be_told, setup_unknown,
			teardown),
		TEST(s19_a_scan_from_before_a_reboot_is_none_after_it),
		TEST(what_a_host_brings_along_is_foreign_and_named),
		TEST(s1_what_a_host_brings_along_is_neither_unbound_nor_bound),
		TEST(s1_what_a_host_brings_along_is_foreign_whatever_generation_it_shows),
		TEST(what_a_host_brings_along_is_not_adopted),
		TEST(what_is_bound_is_seen_in_its_slot_and_said_once),
		TEST(without_a_slot_it_is_found_by_its_mac_or_its_serial),
		TEST(what_is_bound_and_not_seen_is_told_once_after_patience),
		TEST(patience_counts_from_the_first_view_of_a_boot),
		TEST(what_differs_is_named),
		TEST(a_driver_is_given_its_time),
		TEST(a_view_that_flaps_does_not_flood_the_history),
		TEST(a_view_is_forgotten_with_the_boot_that_told_it),
		TEST(a_view_is_forgotten_with_the_fence),
		TEST(what_cannot_be_a_view_is_refused),
		TEST(a_hint_makes_the_manager_look_and_proof_cuts_the_wait_short),
		TEST(s7_a_hint_alone_is_no_verdict),
		TEST(s7_nor_is_a_host_that_cannot_be_read),
		TEST(a_host_that_is_alive_is_asked_before_a_function_is_taken_from_it),
		TEST(what_a_host_has_not_found_yet_is_not_asked_for),
		TEST(an_agent_is_asked_once_attempts_are_stored),
		TEST(who_asks_for_what_only_its_host_can_let_go_is_told_so),
		TEST(what_is_outside_of_its_virtual_switch_is_neither_moved_nor_released),
		TEST(of_several_in_its_slot_it_is_the_one_that_is_such_a_device),
		TEST(a_serial_does_not_tell_which_of_two_functions_it_is),
		TEST(another_wwpn_and_a_link_that_is_down_are_told),
		TEST(an_agent_is_not_asked_for_what_the_switch_shows_elsewhere),
		TEST(what_stops_answering_is_given_to_nobody_and_may_be_let_go),
		TEST(a_hook_that_says_no_ends_the_change_and_nothing_has_moved),
		TEST(an_agent_that_has_failed_is_not_waited_for_again),
		TEST(without_an_answer_nothing_is_taken),
		TEST(an_answer_that_was_lost_is_found_by_the_read_back),
		TEST(where_no_agent_is_reached_it_is_as_ever),
		TEST(a_failover_asks_nobody),
		TEST(an_ask_ends_with_the_host_that_was_asked),
		TEST(answers_of_others_count_not),
		TEST(a_plan_names_the_agent_that_is_asked),
		TEST(what_stops_answering_while_it_is_bound_is_bad_and_named),
		TEST(one_that_nobody_has_is_not_bad),
		TEST(what_is_bad_is_released_and_mends_when_it_answers),
		TEST(it_does_not_mend_while_somebody_has_it),
		TEST(a_read_back_finds_it_too),
		TEST(a_failover_goes_on_with_the_others),
		TEST(what_is_being_let_go_is_not_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
