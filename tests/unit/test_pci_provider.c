/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "capture_fixture.h"
#include "common/clock.h"
#include "common/log.h"
#include "provider/pci/provider.h"
#include "sysfs_fixture.h"

#define PF  "0000:03:00.0"
#define NIC "0000:04:00.0"

enum { HANDLE_PF = 1, HANDLE_VF1 = 2, HANDLE_NIC = 6, HANDLE_OTHER_PF = 7, ATTEMPTS = 64 };

static struct fixture fixture;
static struct event_base *base;
static struct provider *provider;
static struct provider_hello hello;
static struct pci_provider_options options;
static char state_path[128];
static int events;
static int late_pid;

/* What was told. */
static struct {
	bool is_done;
	struct provider_completion done;
	struct provider_binding bindings[PROVIDER_READ_MAX];
} done_of[ATTEMPTS];
static uint64_t attempts;
static struct provider_scan *scanned;
static struct provider_event told[64];
static size_t told_count;
static enum provider_state state;

static void sink_completed(void *arg, const struct provider_completion *done)
{
	(void)arg;
	assert_true(done->attempt && done->attempt < ATTEMPTS);
	assert_false(done_of[done->attempt].is_done);
	done_of[done->attempt].is_done = true;
	done_of[done->attempt].done = *done;
	if (done->binding_count)
		memcpy(done_of[done->attempt].bindings, done->bindings,
		       done->binding_count * sizeof(done->bindings[0]));
}

static void sink_scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	(void)arg;
	if (!scan)
		fail_msg("%s", why);
	provider_scan_free(scanned);
	scanned = scan;
}

static void sink_told(void *arg, const struct provider_event *event)
{
	(void)arg;
	assert_true(told_count < sizeof(told) / sizeof(told[0]));
	told[told_count++] = *event;
}

static void sink_state(void *arg, enum provider_state now, const struct provider_hello *h)
{
	(void)arg;
	(void)h;
	state = now;
}

static const struct provider_sink sink = { .completed = sink_completed,
					   .scanned_take = sink_scanned_take,
					   .told = sink_told,
					   .state = sink_state };

/* Four secondary controllers that are online: nothing is left to do. */
static int nvme(void *arg, struct nvme_command *c)
{
	uint8_t *bytes = c->data;

	(void)arg;
	memset(bytes, 0, c->length);
	bytes[0] = (c->cdw10 & 0xff) == 0x15 ? 4 : 0;
	for (uint8_t i = 0; i < bytes[0]; i++) {
		bytes[32 + 32 * i] = bytes[32 + 32 * i + 8] = (uint8_t)(i + 1);
		bytes[32 + 32 * i + 4] = 1;
	}
	return 0;
}

static void config_write(const char *address)
{
	const struct fixture_function *f = fixture_at(&fixture, address);
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", kernel.tree,
		       address);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(f->bytes, 1, f->length, file), f->length);
	assert_int_equal(fclose(file), 0);
}

static void card_in(const char *address)
{
	kernel_function(address);
	kernel_leaf(address, "class", "0x020000\n");
	config_write(address);
}

static void card_out(const char *address)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
	kernel_remove(path);
}

static void open_provider(void)
{
	int pair[2];
	char why[PCI_PROVIDER_WHY];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	events = pair[0];
	options.events = pair[1];
	state = PROVIDER_READY;
	if (pci_provider_open(&options, &sink, &provider, &hello, why))
		fail_msg("%s", why);
}

static void close_provider(void)
{
	provider->ops->close(provider);
	(void)close(events);
}

/* As a child that waits in the kernel takes it. */
static int not_killed(int pid)
{
	late_pid = pid;
	return 0;
}

static int setup(void **unused)
{
	if (kernel_setup(unused))
		return -1;
	log_setup("test", LOG_LEVEL_ERR);
	fixture_load(&fixture, "qemu72-x3130-nvme-sriov-vfs-off.lspci");
	for (size_t i = 0; i < fixture.count; i++) {
		char address[TOPO_ADDRESS_TEXT];

		topo_address_format(&fixture.functions[i].address, address);
		card_in(address);
	}
	kernel_pf(PF, 4);
	kernel_leaf(PF, "class", "0x010802\n");
	kernel_driver(PF, "nvme");
	kernel_folder("sys/bus/pci/devices/" PF "/nvme/nvme0");
	kernel_folder("sys/bus/pci/slots/17");
	kernel_file("sys/bus/pci/slots/17/address", "0000:04:00\n");
	kernel_file("sys/bus/pci/slots/17/power", "1\n");
	kernel_file("sys/bus/pci/slots/17/attention", "0\n");
	kernel_folder("proc/1");
	kernel_file("proc/1/mountinfo", "");
	kernel_folder("proc/sys/kernel/random");
	kernel_file("proc/sys/kernel/random/boot_id", "0123-4567\n");
	kernel.native = "nvme";
	memset(done_of, 0, sizeof(done_of));
	attempts = told_count = 0;
	late_pid = 0;
	(void)snprintf(state_path, sizeof(state_path), "%s/state", kernel.tree);
	memset(&options, 0, sizeof(options));
	base = event_base_new();
	options.base = base;
	options.sysfs = kernel.s;
	options.io.nvme = nvme;
	options.bay = "here";
	options.chassis = 1;
	options.state_path = state_path;
	assert_int_equal(pci_rules_add(&options.rules, PF), 0);
	assert_int_equal(pci_rules_add(&options.rules, "slot:17"), 0);
	assert_int_equal(pci_rules_add(&options.rules, "slot:18"), 0);
	open_provider();
	return 0;
}

static int teardown(void **unused)
{
	close_provider();
	if (late_pid)
		(void)kill(late_pid, SIGKILL);
	event_base_free(base);
	provider_scan_free(scanned);
	scanned = NULL;
	return kernel_teardown(unused);
}

static void turn(void)
{
	const struct timeval soon = { .tv_usec = 5000 };

	provider->ops->advance(provider, clock_boot_ms());
	(void)event_base_loopexit(base, &soon);
	(void)event_base_dispatch(base);
}

static uint64_t submit(const struct provider_op *op, uint64_t ms)
{
	struct provider_op whole = *op;

	whole.attempt = ++attempts;
	whole.deadline_ms = clock_boot_ms() + ms;
	assert_int_equal(provider_op_check(&whole), 0);
	assert_int_equal(provider->ops->submit(provider, &whole), 0);
	provider->ops->advance(provider, clock_boot_ms());
	return whole.attempt;
}

static const struct provider_completion *wait_done(uint64_t attempt)
{
	while (!done_of[attempt].is_done)
		turn();
	return &done_of[attempt].done;
}

static const struct provider_completion *run(const struct provider_op *op)
{
	return wait_done(submit(op, 60000));
}

static void assert_done(const struct provider_op *op)
{
	const struct provider_completion *done = run(op);

	if (done->outcome != PROVIDER_DONE)
		fail_msg("%s: %s", provider_outcome_text(done->outcome), done->text);
}

static void assert_refused(const struct provider_op *op, enum provider_why why, const char *part)
{
	const struct provider_completion *done = run(op);

	if (done->outcome != PROVIDER_REFUSED || done->why != why || !strstr(done->text, part))
		fail_msg("%s, %d: %s", provider_outcome_text(done->outcome), (int)done->why,
			 done->text);
}

static struct provider_op bind_op(uint32_t function, uint16_t vport, uint64_t generation)
{
	return (struct provider_op){ .verb = PROVIDER_BIND,
				     .function = function,
				     .host = 1,
				     .vport = vport,
				     .generation = generation };
}

static struct provider_op op_of(enum provider_verb verb, uint32_t function, uint32_t value)
{
	return (struct provider_op){ .verb = verb, .function = function, .value = value };
}

static struct provider_binding binding_of(uint32_t function)
{
	const struct provider_op op = op_of(PROVIDER_READ, function, 1);

	assert_done(&op);
	return done_of[attempts].bindings[0];
}

static void scan(void)
{
	provider_scan_free(scanned);
	scanned = NULL;
	assert_int_equal(provider->ops->scan(provider), 0);
	while (!scanned)
		turn();
}

static const struct provider_event *wait_told(enum provider_event_kind kind)
{
	for (;;) {
		for (size_t i = 0; i < told_count; i++)
			if (told[i].kind == kind)
				return &told[i];
		turn();
	}
}

static void kernel_says(const char *action, const char *address)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s@/devices/x%cSUBSYSTEM=pci%cPCI_SLOT_NAME=%s",
			 action, 0, 0, address);

	assert_int_equal(send(events, text, (size_t)n + 1, 0), n + 1);
}

static void machine_is_told_whole(void **unused)
{
	(void)unused;
	scan();

	assert_int_equal(scanned->function_count, 39);
	assert_string_equal(scanned->hosts[0].bay, "here");
	assert_true(scanned->functions[HANDLE_NIC - 1].now.present);
	assert_false(scanned->functions[HANDLE_VF1 - 1].now.present);
	assert_true(hello.can & PROVIDER_CAN_BARRIER);
	assert_true(hello.can & PROVIDER_CAN_SLOT);
}

static void function_is_bound_read_back_and_unbound(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op unbind = op_of(PROVIDER_UNBIND, HANDLE_NIC, 0);
	const struct provider_op look = { .verb = PROVIDER_READ_HOST, .host = 1 };
	struct provider_binding b;

	(void)unused;
	assert_done(&bind);

	b = binding_of(HANDLE_NIC);
	assert_true(b.host == 1 && b.vport == 3 && b.generation == 17 && b.present);
	assert_done(&look);
	assert_int_equal(done_of[attempts].done.binding_count, 1);
	assert_done(&unbind);
	assert_int_equal(binding_of(HANDLE_NIC).host, 0);
}

static void vfs_are_made_and_given(void **unused)
{
	const struct provider_op make = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 4);
	const struct provider_op bind = bind_op(HANDLE_VF1 + 2, 5, 17);
	const struct provider_op none = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 0);

	(void)unused;
	assert_refused(&bind, PROVIDER_WHY_NO_VF, "VF 3 is not enabled");
	assert_done(&make);
	assert_done(&bind);

	assert_int_equal(binding_of(HANDLE_VF1 + 2).vport, 5);
	assert_refused(&none, PROVIDER_WHY_BLAST, "has an owner");
	scan();
	assert_int_equal(scanned->adapters[0].num_vfs, 4);
}

static void what_is_not_named_is_left_alone(void **unused)
{
	const struct provider_op ops[] = {
		bind_op(HANDLE_OTHER_PF, 3, 17),
		op_of(PROVIDER_UNBIND, HANDLE_OTHER_PF, 0),
		op_of(PROVIDER_RESET, HANDLE_OTHER_PF, 0),
		op_of(PROVIDER_NUM_VFS, HANDLE_OTHER_PF, 1),
		op_of(PROVIDER_IDENTITY, HANDLE_OTHER_PF, 0),
	};

	(void)unused;
	kernel_driver("0000:06:00.0", "nvme");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		assert_refused(&ops[i], PROVIDER_WHY_KEPT, "no --adapter names it");
	assert_int_equal(binding_of(HANDLE_OTHER_PF).host, 0);
}

static void binds_that_cannot_be_are_refused(void **unused)
{
	const struct provider_op good = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op kept = bind_op(HANDLE_PF, 4, 17);
	const struct provider_op none = bind_op(40, 4, 17);
	const struct provider_op make = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 1);
	const struct provider_op same = bind_op(HANDLE_VF1, 3, 18);
	const struct provider_op away = { .verb = PROVIDER_HOST_POWER, .host = 1 };

	(void)unused;
	assert_refused(&kept, PROVIDER_WHY_KEPT, "keeps its PF");
	assert_refused(&none, PROVIDER_WHY_NO_FUNCTION, "no function 40");
	assert_refused(&away, PROVIDER_WHY_UNSUPPORTED, "cut itself off");
	assert_done(&good);
	assert_refused(&good, PROVIDER_WHY_BOUND, "bound at vport 3");
	assert_done(&make);
	assert_refused(&same, PROVIDER_WHY_VPORT_TAKEN, "function 6 is there");
}

static void bindings_outlive_the_program(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op unbind = op_of(PROVIDER_UNBIND, HANDLE_NIC, 0);
	struct provider_binding b;
	char boot_id[PROVIDER_NAME_MAX];

	(void)unused;
	assert_done(&bind);
	memcpy(boot_id, hello.boot_id, sizeof(boot_id));
	close_provider();
	open_provider();

	b = binding_of(HANDLE_NIC);
	assert_true(b.host == 1 && b.vport == 3 && b.generation == 17);
	assert_string_not_equal(hello.boot_id, boot_id);
	/* without the file it is somebody's, nobody knows whose */
	close_provider();
	assert_int_equal(unlink(state_path), 0);
	open_provider();
	b = binding_of(HANDLE_NIC);
	assert_true(b.host == 1 && b.vport == 240 && b.generation == 0);
	/* it can be taken, as any other */
	assert_done(&unbind);
	assert_int_equal(binding_of(HANDLE_NIC).host, 0);
}

static void foreign_binding_and_ours_have_a_vport_each(void **unused)
{
	const struct provider_op make = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 2);
	const struct provider_op ours = bind_op(HANDLE_VF1, 240, 17);
	const struct provider_op taken = bind_op(HANDLE_VF1 + 1, 239, 18);

	(void)unused;
	assert_done(&make);
	assert_done(&ours);
	kernel_driver(NIC, "nvme"); /* somebody else's doing */

	assert_int_equal(binding_of(HANDLE_NIC).vport, 239);
	assert_refused(&taken, PROVIDER_WHY_VPORT_TAKEN, "function 6 is there");
	scan();
}

static void bindings_of_another_boot_are_none(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);

	(void)unused;
	assert_done(&bind);
	close_provider();
	kernel_file("proc/sys/kernel/random/boot_id", "89ab-cdef\n");

	open_provider();

	assert_int_equal(binding_of(HANDLE_NIC).generation, 0);
}

static void bind_that_failed_leaves_no_trace(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op make = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 1);
	const struct provider_op other = bind_op(HANDLE_VF1, 3, 18);

	(void)unused;
	kernel.native = NULL;
	assert_int_equal(run(&bind)->outcome, PROVIDER_FAILED);
	assert_int_equal(binding_of(HANDLE_NIC).host, 0);

	kernel.native = "nvme";
	assert_done(&make);
	assert_done(&other);
}

static void work_that_hangs_is_unknown_and_keeps_the_barrier_shut(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op unbind = op_of(PROVIDER_UNBIND, HANDLE_NIC, 0);
	const struct provider_op reset = op_of(PROVIDER_RESET, HANDLE_NIC, 0);
	const struct provider_op make = op_of(PROVIDER_NUM_VFS, HANDLE_PF, 2);
	const struct provider_op settle = op_of(PROVIDER_SETTLE, HANDLE_NIC, 0);
	const struct provider_op settle_other = op_of(PROVIDER_SETTLE, HANDLE_PF, 0);
	const struct provider_op settle_all = { .verb = PROVIDER_SETTLE, .host = 1 };
	uint64_t attempt;

	(void)unused;
	assert_done(&bind);
	close_provider();
	options.kill = not_killed;
	open_provider();
	kernel.hang_leaf = "unbind";

	assert_int_equal(wait_done(submit(&unbind, 50))->outcome, PROVIDER_UNKNOWN);

	/* everything else goes on; nothing of that port is begun, nor settles */
	assert_true(late_pid);
	assert_int_equal(binding_of(HANDLE_NIC).generation, 17);
	assert_done(&make);
	assert_done(&settle_other);
	assert_int_equal(wait_done(submit(&settle, 50))->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(wait_done(submit(&settle_all, 50))->outcome, PROVIDER_UNKNOWN);
	attempt = submit(&reset, 50);
	assert_int_equal(wait_done(attempt)->outcome, PROVIDER_REFUSED);
	assert_non_null(strstr(done_of[attempt].done.text, "not begun"));
	attempt = submit(&settle, 60000);
	turn();
	assert_false(done_of[attempt].is_done);
	/* it is gone: now it is settled */
	assert_int_equal(kill(late_pid, SIGKILL), 0);
	late_pid = 0;
	assert_int_equal(wait_done(attempt)->outcome, PROVIDER_DONE);
}

static void earlier_life_that_is_not_settled_keeps_the_barrier_shut(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op settle = { .verb = PROVIDER_SETTLE };
	char path[160];
	uint64_t attempt;
	uint64_t late;
	int lock;

	(void)unused;
	close_provider();
	(void)snprintf(path, sizeof(path), "%s.lock", state_path);
	lock = open(path, O_RDWR | O_CLOEXEC); /* as a child that outlived its parent holds it */
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	open_provider();

	assert_int_equal(state, PROVIDER_SETTLING);
	attempt = submit(&settle, 60000);
	late = submit(&bind, 50);
	assert_int_equal(wait_done(late)->outcome, PROVIDER_REFUSED);
	assert_false(done_of[attempt].is_done);
	assert_int_equal(binding_of(HANDLE_NIC).host, 0);
	(void)close(lock);
	assert_int_equal(wait_done(attempt)->outcome, PROVIDER_DONE);
	assert_int_equal(state, PROVIDER_READY);
}

static void card_that_goes_is_told_by_the_kernels_event(void **unused)
{
	(void)unused;
	card_out(NIC);
	kernel_says("remove", NIC);

	assert_int_equal(wait_told(PROVIDER_EVENT_FUNCTION)->function, HANDLE_NIC);
	assert_false(wait_told(PROVIDER_EVENT_FUNCTION)->present);
	(void)wait_told(PROVIDER_EVENT_CHANGED);
	assert_int_equal(told[0].kind, PROVIDER_EVENT_FUNCTION); /* at once, before any look */
	scan();
	assert_false(scanned->functions[HANDLE_NIC - 1].now.present);
	assert_int_equal(scanned->functions[HANDLE_NIC - 1].handle, HANDLE_NIC);
	/* and when it is back */
	told_count = 0;
	card_in(NIC);
	kernel_says("add", NIC);
	assert_true(wait_told(PROVIDER_EVENT_FUNCTION)->present);
}

static void events_that_are_none_of_ours_tell_nothing(void **unused)
{
	const char junk[] = "libudev\0junk";

	(void)unused;
	assert_int_equal(send(events, junk, sizeof(junk), 0), sizeof(junk));
	assert_int_equal(send(events, "add@/x\0SUBSYSTEM=block", 23, 0), 23);
	kernel_says("move", NIC);
	scan();

	assert_int_equal(told_count, 0);
}

static void another_card_in_the_slot_is_a_new_boot_id(void **unused)
{
	(void)unused;
	fixture_at(&fixture, NIC)->bytes[2] ^= 1;
	config_write(NIC);
	kernel_says("add", NIC);

	assert_string_not_equal(wait_told(PROVIDER_EVENT_REBOOT)->boot_id, hello.boot_id);
}

static void slot_whose_presence_changes_is_told(void **unused)
{
	/* slot 18's port, 02:02.0: Slot Status, bit 6 */
	struct fixture_function *port = fixture_at(&fixture, "0000:02:02.0");
	struct topo_function decoded;

	(void)unused;
	topo_decode(port->bytes, port->length, &decoded);
	port->bytes[decoded.express.offset + 0x1a] |= 0x40;
	config_write("0000:02:02.0");
	kernel_says("add", "0000:05:00.0");

	assert_true(wait_told(PROVIDER_EVENT_SLOT)->slot.presence);
	assert_int_not_equal(wait_told(PROVIDER_EVENT_SLOT)->slot.switch_handle, 0);
}

static void slot_is_powered_off_when_nothing_in_it_is_bound(void **unused)
{
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op unbind = op_of(PROVIDER_UNBIND, HANDLE_NIC, 0);
	struct provider_op off = { .verb = PROVIDER_SLOT_POWER };
	struct provider_op blink = { .verb = PROVIDER_SLOT_ATTENTION, .value = 2 };
	struct provider_op other;
	uint64_t power;

	(void)unused;
	scan();
	off.switch_handle = blink.switch_handle = scanned->adapters[1].switch_handle;
	off.port = blink.port = scanned->adapters[1].port;
	other = off;
	other.port = (uint16_t)(other.port + 2);
	assert_done(&blink);
	assert_done(&bind);
	assert_refused(&off, PROVIDER_WHY_BOUND, "function 6 in it is bound");
	assert_done(&unbind);
	assert_done(&off);

	assert_int_equal(sysfs_number(&kernel.s, "sys/bus/pci/slots/17/power", &power), 0);
	assert_int_equal(power, 0);
	assert_refused(&other, PROVIDER_WHY_KEPT, "keeps this slot");
	other.port = 99;
	assert_refused(&other, PROVIDER_WHY_UNSUPPORTED, "no hot-plug slot at port 99");
}

static void aer_put(const char *address, const char *fatal)
{
	kernel_leaf(address, "aer_dev_correctable", "TOTAL_ERR_COR 0\n");
	kernel_leaf(address, "aer_dev_nonfatal", "TOTAL_ERR_NONFATAL 0\n");
	kernel_leaf(address, "aer_dev_fatal", fatal);
}

static void card_that_is_dead_after_errors_of_its_link_is_told(void **unused)
{
	(void)unused;
	close_provider();
	aer_put("0000:02:01.0", "TOTAL_ERR_FATAL 1\n"); /* the port's end; the card has none */
	options.aer_ms = 10;
	open_provider();
	scan();
	scan();
	assert_int_equal(told_count, 0); /* what was counted before says nothing */

	memset(fixture_at(&fixture, NIC)->bytes, 0xff, TOPO_CONFIG_BYTES);
	config_write(NIC);
	aer_put("0000:02:01.0", "TOTAL_ERR_FATAL 2\n");

	assert_int_equal(wait_told(PROVIDER_EVENT_FUNCTION)->function, HANDLE_NIC);
	assert_false(wait_told(PROVIDER_EVENT_FUNCTION)->present);
}

static int control(const char *request, struct buf *answer)
{
	return pci_provider_control(provider, request, strlen(request), answer);
}

static void people_can_look_rescan_and_remove(void **unused)
{
	OWNED(buf_done) struct buf answer = { 0 };
	const struct provider_op bind = bind_op(HANDLE_NIC, 3, 17);
	const struct provider_op unbind = op_of(PROVIDER_UNBIND, HANDLE_NIC, 0);
	const struct provider_op settle = { .verb = PROVIDER_SETTLE };
	struct topo_address at = kernel_address(NIC);

	(void)unused;
	assert_done(&bind);
	assert_int_equal(control("show", &answer), 0);
	assert_non_null(strstr((const char *)answer.data, NIC " to give driver nvme, resets: flr "
							      "bus, vport 3 generation 17"));
	assert_int_equal(control("remove " NIC, &answer), REFUSE_FUNCTION_BOUND);
	assert_int_equal(control("remove 0000:06:00.0", &answer), REFUSE_NO_FUNCTION);
	assert_int_equal(control("dance", &answer), REFUSE_SYNTAX);
	assert_done(&unbind);
	assert_int_equal(control("remove " NIC, &answer), 0);
	assert_done(&settle);
	assert_false(sysfs_is_there(&kernel.s, &at));
	assert_int_equal(control("rescan", &answer), 0);
	assert_done(&settle);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(machine_is_told_whole),
		TEST(function_is_bound_read_back_and_unbound),
		TEST(vfs_are_made_and_given),
		TEST(what_is_not_named_is_left_alone),
		TEST(binds_that_cannot_be_are_refused),
		TEST(bindings_outlive_the_program),
		TEST(foreign_binding_and_ours_have_a_vport_each),
		TEST(bindings_of_another_boot_are_none),
		TEST(bind_that_failed_leaves_no_trace),
		TEST(work_that_hangs_is_unknown_and_keeps_the_barrier_shut),
		TEST(earlier_life_that_is_not_settled_keeps_the_barrier_shut),
		TEST(card_that_goes_is_told_by_the_kernels_event),
		TEST(events_that_are_none_of_ours_tell_nothing),
		TEST(another_card_in_the_slot_is_a_new_boot_id),
		TEST(slot_whose_presence_changes_is_told),
		TEST(slot_is_powered_off_when_nothing_in_it_is_bound),
		TEST(card_that_is_dead_after_errors_of_its_link_is_told),
		TEST(people_can_look_rescan_and_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
