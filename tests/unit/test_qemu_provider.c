/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider over two blades that are processes of their own (fake_qemu.c): what the manager is
 * answered when all is well, and when a blade is slow, hangs, refuses, dies at any command, or has
 * what nobody bound. The first may be powered off, the second not.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/qemu/qemu.h"

enum {
	DISK = 1,
	NIC = 2,
	NIC2 = 3,
	CAP_MS = 120000,
	SOON_MS = 300,       /* deadline of what is not to be answered */
	HASTY_MS = 150,      /* after which a blade hangs, where that is what is tested */
	PATIENT_MS = CAP_MS, /* where it is not: the machine may be busy */
	DONE_MAX = 64,
};

static const uint64_t MAC = 0x020000000011;

struct fake {
	pid_t pid;
	FILE *to;
	FILE *from;
	char path[64];
};

struct answer {
	struct provider_completion done;
	struct provider_binding bindings[8];
};

struct world {
	char folder[32];
	struct fake fakes[2];
	struct event_base *base;
	struct event *tick;
	struct qemu_chassis *chassis;
	struct provider *provider;
	struct provider_hello hello;
	uint64_t attempt;
	struct answer answers[DONE_MAX]; /* by attempt, the last of them */
	bool has[DONE_MAX];
	struct provider_scan *scan;
	bool power[3]; /* by host, as events said */
	unsigned power_events;
	bool is_gone[4]; /* by function */
	unsigned changed;
	struct provider_config configs[4];
	uint8_t bytes[4][PROVIDER_CONFIG_BYTES];
	size_t config_count;
	char view_why[PROVIDER_TEXT_MAX];
	bool is_viewed;
};

/* the sink */

static void completed(void *arg, const struct provider_completion *done)
{
	struct world *w = arg;
	struct answer *a = &w->answers[done->attempt % DONE_MAX];

	assert_false(w->has[done->attempt % DONE_MAX]);
	w->has[done->attempt % DONE_MAX] = true;
	a->done = *done;
	for (size_t i = 0; i < done->binding_count && i < 8; i++)
		a->bindings[i] = done->bindings[i];
	a->done.bindings = a->bindings;
}

static void scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	struct world *w = arg;

	(void)why;
	provider_scan_free(w->scan);
	w->scan = scan;
}

static void told(void *arg, const struct provider_event *event)
{
	struct world *w = arg;

	if (event->kind == PROVIDER_EVENT_HOST) {
		w->power[event->host.host] = event->host.power;
		w->power_events++;
	} else if (event->kind == PROVIDER_EVENT_FUNCTION) {
		w->is_gone[event->function] = !event->present;
	} else if (event->kind == PROVIDER_EVENT_CHANGED) {
		w->changed++;
	}
}

static void stated(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	(void)arg;
	(void)state;
	(void)hello;
}

static void viewed(void *arg, uint64_t cookie, const struct provider_config *config,
		   const char *why)
{
	struct world *w = arg;

	assert_int_equal(cookie, 77);
	if (config) {
		assert_true(w->config_count < 4);
		memcpy(w->bytes[w->config_count], config->bytes, config->length);
		w->configs[w->config_count++] = *config;
	} else {
		w->is_viewed = true;
		(void)snprintf(w->view_why, sizeof(w->view_why), "%s", why);
	}
}

static void ticked(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;

	(void)fd;
	(void)what;
	if (w->provider)
		w->provider->ops->advance(w->provider, clock_boot_ms());
}

/* the blades */

static void fake_start_as(struct world *w, int which, bool is_hidden)
{
	struct fake *f = &w->fakes[which];
	char argument[80], line[64], path[sizeof(f->path)];
	int in[2], out[2];

	assert_in_range(which, 0, sizeof(w->fakes) / sizeof(w->fakes[0]) - 1);
	(void)snprintf(path, sizeof(path), "%s/q%d", w->folder, which);
	(void)memcpy(f->path, path, sizeof(path));
	(void)snprintf(argument, sizeof(argument), "path=%s", path);
	(void)setenv("FAKE_PATH", f->path, 1);
	assert_int_equal(pipe(in) | pipe(out), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (!f->pid) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		(void)execl(FAKE_QEMU, "fake_qemu", is_hidden ? "hidden" : argument, (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	f->to = fdopen(in[1], "w");
	f->from = fdopen(out[0], "r");
	assert_non_null(f->to);
	assert_non_null(f->from);
	assert_non_null(fgets(line, sizeof(line), f->from)); /* it listens */
}

static void fake_start(struct world *w, int which)
{
	fake_start_as(w, which, false);
}

static void fake_end(struct fake *f)
{
	if (f->pid <= 0)
		return;
	(void)kill(f->pid, SIGKILL);
	(void)waitpid(f->pid, NULL, 0);
	(void)fclose(f->to);
	(void)fclose(f->from);
	f->pid = 0;
}

/* Tells it something; its answer, until the next. */
static const char *tell(struct world *w, int which, const char *line)
{
	static char answer[4096];
	struct fake *f = &w->fakes[which];

	assert_true(fprintf(f->to, "%s\n", line) > 0 && !fflush(f->to));
	assert_non_null(fgets(answer, sizeof(answer), f->from));
	return answer;
}

static const char *tell_image(struct world *w, int which, const char *what)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "%s %.100s", what, w->chassis->adapters[DISK - 1].file);
	return tell(w, which, line);
}

/* the loop */

#define UNTIL(w, condition)                                      \
	do {                                                     \
		uint64_t cap_ms_ = clock_boot_ms() + CAP_MS;     \
		while (!(condition)) {                           \
			assert_true(clock_boot_ms() < cap_ms_);  \
			event_base_loop((w)->base, EVLOOP_ONCE); \
		}                                                \
	} while (0)

static uint64_t submit_by(struct world *w, struct provider_op op, unsigned ms)
{
	op.attempt = ++w->attempt;
	w->has[op.attempt % DONE_MAX] = false;
	op.deadline_ms = clock_boot_ms() + ms;
	assert_int_equal(provider_op_check(&op), 0);
	assert_int_equal(w->provider->ops->submit(w->provider, &op), 0);
	return op.attempt;
}

static const struct provider_completion *wait_for(struct world *w, uint64_t attempt)
{
	UNTIL(w, w->has[attempt % DONE_MAX]);
	return &w->answers[attempt % DONE_MAX].done;
}

static const struct provider_completion *run(struct world *w, struct provider_op op)
{
	return wait_for(w, submit_by(w, op, CAP_MS));
}

static const struct provider_completion *run_soon(struct world *w, struct provider_op op)
{
	return wait_for(w, submit_by(w, op, SOON_MS));
}

static struct provider_op bind_op(uint32_t function, uint16_t host, uint16_t vport)
{
	return (struct provider_op){ .verb = PROVIDER_BIND,
				     .function = function,
				     .host = host,
				     .vport = vport,
				     .generation = 7 };
}

static struct provider_op unbind_op(uint32_t function)
{
	return (struct provider_op){ .verb = PROVIDER_UNBIND, .function = function };
}

static struct provider_op settle_op(uint32_t function, uint16_t host)
{
	return (struct provider_op){ .verb = PROVIDER_SETTLE, .function = function, .host = host };
}

static struct provider_op power_op(uint16_t host)
{
	return (struct provider_op){ .verb = PROVIDER_HOST_POWER, .host = host };
}

static struct provider_binding read_back(struct world *w, uint32_t function)
{
	const struct provider_op op = { .verb = PROVIDER_READ, .function = function, .value = 1 };
	const struct provider_completion *done = run(w, op);

	assert_int_equal(done->outcome, PROVIDER_DONE);
	assert_int_equal(done->binding_count, 1);
	assert_int_equal(done->bindings[0].function, function);
	return done->bindings[0];
}

static const struct provider_completion *read_host(struct world *w, uint16_t host)
{
	return run(w, (struct provider_op){ .verb = PROVIDER_READ_HOST, .host = host });
}

static void bind_done(struct world *w, uint32_t function, uint16_t host, uint16_t vport)
{
	const struct provider_completion *done = run(w, bind_op(function, host, vport));

	/* in haste, a busy machine looks like a blade that hangs */
	if (w->chassis->timeout_ms == HASTY_MS)
		UNTIL(w, done->outcome != PROVIDER_REFUSED ||
				 (done = run(w, bind_op(function, host, vport)))->outcome !=
					 PROVIDER_REFUSED);
	if (done->outcome != PROVIDER_DONE)
		print_error("%s: %s\n", provider_outcome_text(done->outcome), done->text);
	assert_int_equal(done->outcome, PROVIDER_DONE);
}

static void is_nowhere(struct world *w, uint32_t function)
{
	struct provider_binding b = read_back(w, function);

	assert_int_equal(b.host, 0);
	assert_false(b.unknown);
}

static void provider_begin(struct world *w)
{
	const struct provider_sink sink = { completed, scanned_take, told, stated, viewed, w };

	assert_int_equal(provider_qemu_open(w->base, w->chassis, &sink, &w->hello, &w->provider),
			 0);
}

/* @program: what powers the first blade on, with %s for the folder; "": nothing does */
static int world_begin_with(void **state, int timeout_ms, const char *program)
{
	static const char text[] =
		"{\"chassis\":\"t\",\"provider\":\"qemu\",\"timeout_ms\":%d,\"hosts\":["
		"{\"bay\":\"b0\",\"qmp\":\"q0\",\"vports\":[\"dn0\",\"dn1\"],\"power_off\":"
		"\"kill\"%s},{\"bay\":\"b1\",\"qmp\":\"q1\",\"vports\":[\"dn0\",\"dn1\"]}],"
		"\"adapters\":[{\"model\":\"nvme\",\"serial\":\"S1\",\"file\":\"d.img\"},"
		"{\"model\":\"e1000e\",\"mac\":\"52:54:00:00:00:01\",\"netdev\":\"user\"},"
		"{\"model\":\"virtio-net\",\"mac\":\"52:54:00:00:00:02\",\"netdev\":\"user\"}]}";
	const struct timeval often = { .tv_usec = 5000 };
	struct world *w = calloc(1, sizeof(*w));
	char whole[1024], power_on[256] = "", error[OBJECT_ERROR_MAX];

	if (!w)
		return -1;
	(void)snprintf(w->folder, sizeof(w->folder), "/tmp/fabric-qemu.XXXXXX");
	if (!mkdtemp(w->folder))
		return -1;
	if (program[0])
		(void)snprintf(power_on, sizeof(power_on),
			       ",\"power_on\":[\"/bin/sh\",\"-c\",\"cd %s && %s\"]", w->folder,
			       program);
	(void)snprintf(whole, sizeof(whole), text, timeout_ms, power_on);
	if (qemu_chassis_parse(whole, strlen(whole), "t", w->folder, &w->chassis, error))
		return -1;
	w->base = event_base_new();
	w->tick = w->base ? event_new(w->base, -1, EV_PERSIST, ticked, w) : NULL;
	if (!w->tick || event_add(w->tick, &often))
		return -1;
	fake_start(w, 0);
	fake_start(w, 1);
	provider_begin(w);
	*state = w;
	return 0;
}

static int world_begin(void **state)
{
	return world_begin_with(state, PATIENT_MS, "");
}

/* The first blade is off, and can be turned on: by who finds the file "go". */
static int cold_begin_with(void **state, const char *program)
{
	struct world *w;

	if (world_begin_with(state, PATIENT_MS, program))
		return -1;
	w = *state;
	w->power[1] = true;
	assert_int_equal(read_host(w, 1)->outcome, PROVIDER_DONE);
	fake_end(&w->fakes[0]);
	UNTIL(w, !w->power[1]);
	return 0;
}

static int cold_begin(void **state)
{
	return cold_begin_with(state, ": > go");
}

static int broken_begin(void **state)
{
	return cold_begin_with(state, "echo nobody is there >&2; exit 3");
}

static int endless_begin(void **state)
{
	return cold_begin_with(state, ": > go; exec sleep 600");
}

static int hasty_begin(void **state)
{
	return world_begin_with(state, HASTY_MS, "");
}

static const char *path_of(const struct world *w, const char *name)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", w->folder, name);
	return path;
}

static int world_end(void **state)
{
	struct world *w = *state;

	provider_close(w->provider);
	for (int i = 0; i < 2; i++) {
		fake_end(&w->fakes[i]);
		(void)unlink(w->fakes[i].path);
	}
	(void)unlink(path_of(w, "go"));
	(void)rmdir(w->folder);
	provider_scan_free(w->scan);
	qemu_chassis_free(w->chassis);
	event_free(w->tick);
	event_base_free(w->base);
	free(w);
	return 0;
}

/* all is well */

static void a_scan_shows_blades_and_pool(void **state)
{
	struct world *w = *state;
	char why[PROVIDER_TEXT_MAX] = "";

	assert_int_equal(w->provider->ops->scan(w->provider), 0);
	UNTIL(w, w->scan);
	assert_int_equal(provider_scan_check(w->scan, why), 0);
	assert_int_equal(w->scan->host_count, 2);
	assert_int_equal(w->scan->function_count, 3);
	assert_true(w->scan->hosts[0].state.power && w->scan->hosts[0].state.power_known);
	assert_int_equal(w->scan->functions[0].now.host, 0);
	assert_false(w->scan->functions[0].now.unknown);
	assert_string_equal(w->scan->adapters[0].serial, "S1");
	assert_string_equal(w->scan->adapters[1].serial, "525400000001");
}

static void a_bind_is_read_back_with_vport_and_generation(void **state)
{
	struct world *w = *state;
	struct provider_binding b;

	bind_done(w, DISK, 2, 2);
	b = read_back(w, DISK);
	assert_int_equal(b.host, 2);
	assert_int_equal(b.vport, 2);
	assert_int_equal(b.generation, 7);
	assert_true(b.present);
	assert_int_equal(w->changed, 0); /* what was asked for is no news */
}

static void an_identity_comes_with_the_bind_and_stays_until_it_is_cleared(void **state)
{
	struct world *w = *state;
	struct provider_op op = { .verb = PROVIDER_IDENTITY,
				  .function = NIC,
				  .identity = { .mac = MAC } };

	assert_int_equal(run(w, op)->outcome, PROVIDER_DONE);
	assert_int_equal(read_back(w, NIC).identity.mac, MAC);
	bind_done(w, NIC, 1, 1);
	assert_non_null(strstr(tell(w, 0, "list"), "mac 02:00:00:00:00:11"));
	assert_int_equal(read_back(w, NIC).identity.mac, MAC);
	/* it lives once */
	op.function = NIC2;
	assert_int_equal(run(w, op)->why, PROVIDER_WHY_IDENTITY);
	assert_int_equal(run(w, unbind_op(NIC))->outcome, PROVIDER_DONE);
	assert_int_equal(read_back(w, NIC).identity.mac, MAC);
	op = (struct provider_op){ .verb = PROVIDER_IDENTITY, .function = NIC };
	assert_int_equal(run(w, op)->outcome, PROVIDER_DONE);
	assert_int_equal(read_back(w, NIC).identity.mac, 0);
}

static void what_cannot_be_carried_is_refused(void **state)
{
	struct world *w = *state;
	struct provider_op op = { .verb = PROVIDER_IDENTITY,
				  .function = DISK,
				  .identity = { .mac = MAC } };

	assert_int_equal(run(w, op)->why, PROVIDER_WHY_IDENTITY);
	op = (struct provider_op){ .verb = PROVIDER_IDENTITY,
				   .function = NIC,
				   .identity = { .mac = MAC, .vlan = 5 } };
	assert_int_equal(run(w, op)->why, PROVIDER_WHY_IDENTITY);
	assert_int_equal(run(w, bind_op(9, 1, 1))->why, PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(run(w, bind_op(DISK, 9, 1))->why, PROVIDER_WHY_NO_HOST);
	assert_int_equal(run(w, bind_op(DISK, 1, 3))->why, PROVIDER_WHY_NO_VPORT);
	bind_done(w, DISK, 1, 1);
	assert_int_equal(run(w, bind_op(DISK, 2, 1))->why, PROVIDER_WHY_BOUND);
	assert_int_equal(run(w, bind_op(NIC, 1, 1))->why, PROVIDER_WHY_VPORT_TAKEN);
	op = (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = 1, .value = 1 };
	assert_int_equal(run(w, op)->why, PROVIDER_WHY_UNSUPPORTED);
}

static void an_unbind_takes_device_and_back_end(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	bind_done(w, NIC, 1, 2);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	assert_int_equal(run(w, unbind_op(NIC))->outcome, PROVIDER_DONE);
	assert_string_equal(tell(w, 0, "list"), "\n");
	is_nowhere(w, DISK);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
}

static void a_host_read_tells_all_that_sits_there(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;

	bind_done(w, NIC, 1, 2);
	bind_done(w, DISK, 1, 1);
	done = read_host(w, 1);
	assert_int_equal(done->outcome, PROVIDER_DONE);
	assert_int_equal(done->binding_count, 2);
	assert_int_equal(done->bindings[0].function, DISK);
	assert_int_equal(done->bindings[1].function, NIC);
	assert_true(done->host.power);
	assert_int_equal(read_host(w, 2)->binding_count, 0);
}

static void a_view_reads_registers_and_makes_up_what_cannot_be_read(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->provider->ops->view(w->provider, 1, 77), 0);
	UNTIL(w, w->is_viewed);
	assert_string_equal(w->view_why, "");
	assert_int_equal(w->config_count, 2); /* in the order of their addresses */
	assert_int_equal(w->configs[0].length, PROVIDER_CONFIG_BYTES);
	assert_int_equal(w->bytes[0][0], 0x86);
	assert_int_equal(w->bytes[0][4], 1);
	assert_int_equal(w->bytes[0][4092], 0xff);
	assert_int_equal(w->bytes[0][4093], 0x03);
	assert_int_equal(w->configs[1].device, 4);
	assert_int_equal(w->configs[1].length, 256);
	assert_int_equal(w->bytes[1][0x0e], 1);
	assert_int_equal(w->bytes[1][0x19], 1);
}

static void a_view_of_a_blade_that_is_off_says_so(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE);
	assert_int_equal(w->provider->ops->view(w->provider, 1, 77), 0);
	UNTIL(w, w->is_viewed);
	assert_string_equal(w->view_why, "b0 is off: its process has ended");
	assert_int_equal(w->config_count, 0);
}

/* it is refused */

static void a_lock_is_told_as_one_and_the_next_try_has_new_names(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;
	char before[4096];

	(void)tell(w, 0, "refuse device_add");
	done = run(w, bind_op(DISK, 1, 1));
	assert_int_equal(done->outcome, PROVIDER_REFUSED);
	assert_string_equal(done->text, "the image is in use by another process (QEMU's lock): "
					"Failed to get \"write\" lock");
	/* QEMU does not quite forget the refused device; it is nowhere all the same */
	is_nowhere(w, DISK);
	assert_int_equal(w->changed, 0);
	(void)snprintf(before, sizeof(before), "%s", tell(w, 0, "list"));
	assert_memory_equal(before, "node fabn", 9);
	bind_done(w, DISK, 1, 1);
	assert_non_null(strstr(tell(w, 0, "list"), "device fab-"));
	assert_int_equal(read_back(w, DISK).generation, 7);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	assert_string_equal(tell(w, 0, "list"), before);
}

static void a_back_end_that_is_refused_is_told_in_qemus_words(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;

	(void)tell(w, 0, "refuse netdev_add");
	done = run(w, bind_op(NIC, 1, 1));
	assert_int_equal(done->outcome, PROVIDER_REFUSED);
	assert_string_equal(done->text, "Failed to get \"write\" lock");
	is_nowhere(w, NIC);
	assert_string_equal(tell(w, 0, "list"), "\n");
}

/* the guest takes its time */

static void an_unbind_waits_for_the_guest(void **state)
{
	struct world *w = *state;
	uint64_t attempt;

	bind_done(w, DISK, 1, 1);
	(void)tell(w, 0, "lazy");
	attempt = submit_by(w, unbind_op(DISK), CAP_MS);
	/* asked a second time, QEMU says that it is under way */
	assert_int_equal(read_back(w, DISK).host, 1);
	assert_false(w->has[attempt % DONE_MAX]);
	(void)tell(w, 0, "eject");
	assert_int_equal(wait_for(w, attempt)->outcome, PROVIDER_DONE);
	assert_string_equal(tell(w, 0, "list"), "\n");
}

static void a_guest_that_never_lets_go_leaves_it_unknown_and_settled(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	(void)tell(w, 0, "lazy");
	assert_int_equal(run_soon(w, unbind_op(DISK))->outcome, PROVIDER_UNKNOWN);
	/* whenever it lets go, it is of this very binding: nothing else can be hit */
	assert_int_equal(run(w, settle_op(DISK, 0))->outcome, PROVIDER_DONE);
	assert_int_equal(read_back(w, DISK).host, 1);
	/* a second try meets a removal that is under way, and waits for it */
	assert_int_equal(run_soon(w, unbind_op(DISK))->outcome, PROVIDER_UNKNOWN);
	(void)tell(w, 0, "eject");
	is_nowhere(w, DISK);
	UNTIL(w, !strcmp(tell(w, 0, "list"), "\n")); /* late, but its back end goes too */
}

static void what_the_guest_let_go_by_itself_is_news_and_needs_no_unbind(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	is_nowhere(w, NIC);
	(void)tell(w, 0, "eject");
	UNTIL(w, w->changed);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	UNTIL(w, !strcmp(tell(w, 0, "list"), "\n"));
	bind_done(w, DISK, 2, 1);
}

static void a_device_that_is_gone_already_is_unbound(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	(void)tell(w, 0, "vanish"); /* no event: device_del finds nothing */
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	is_nowhere(w, DISK);
}

/* it dies */

static void a_blade_that_dies_at_any_command_of_a_bind_has_nothing(void **state)
{
	static const char *const when[] = { "die blockdev-add", "after blockdev-add",
					    "die device_add", "after device_add" };
	struct world *w = *state;

	for (size_t i = 0; i < 4; i++) {
		bind_done(w, NIC, 1, 2); /* it is up */
		w->power[1] = true;
		(void)tell(w, 0, when[i]);
		assert_int_equal(run(w, bind_op(DISK, 1, 1))->outcome, PROVIDER_FAILED);
		UNTIL(w, !w->power[1]);
		assert_int_equal(run(w, settle_op(0, 1))->outcome, PROVIDER_DONE);
		is_nowhere(w, DISK);
		assert_false(read_host(w, 1)->host.power);
		fake_end(&w->fakes[0]);
		fake_start(w, 0);
		UNTIL(w, w->power[1]);
	}
	bind_done(w, DISK, 2, 1);
}

static void a_blade_that_dies_at_any_command_of_an_unbind_has_let_go(void **state)
{
	static const char *const when[] = { "die device_del", "after device_del",
					    "die blockdev-del", "after blockdev-del" };
	struct world *w = *state;

	for (size_t i = 0; i < 4; i++) {
		bind_done(w, DISK, 1, 1);
		w->power[1] = true;
		(void)tell(w, 0, when[i]);
		assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
		UNTIL(w, !w->power[1]);
		is_nowhere(w, DISK);
		fake_end(&w->fakes[0]);
		fake_start(w, 0);
		UNTIL(w, w->power[1]);
	}
}

/* it hangs */

static void a_bind_that_is_not_answered_is_unknown_until_it_is(void **state)
{
	struct world *w = *state;
	struct provider_binding b;

	UNTIL(w, !read_back(w, DISK).unknown);
	(void)tell(w, 0, "hold device_add");
	assert_int_equal(run_soon(w, bind_op(DISK, 1, 1))->outcome, PROVIDER_UNKNOWN);
	assert_true(read_back(w, DISK).unknown);
	UNTIL(w, !read_back(w, NIC).unknown); /* it cannot have got that */
	assert_int_equal(read_host(w, 1)->outcome, PROVIDER_FAILED);
	assert_int_equal(run_soon(w, settle_op(DISK, 0))->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(run(w, settle_op(NIC, 0))->outcome, PROVIDER_DONE);
	/* nothing is bound elsewhere meanwhile, nor to it */
	assert_int_equal(run(w, bind_op(DISK, 2, 1))->outcome, PROVIDER_REFUSED);
	assert_int_equal(run(w, bind_op(NIC, 1, 2))->outcome, PROVIDER_REFUSED);
	(void)tell(w, 0, "go");
	assert_int_equal(run(w, settle_op(DISK, 0))->outcome, PROVIDER_DONE);
	UNTIL(w, !(b = read_back(w, DISK)).unknown);
	assert_int_equal(b.host, 1); /* it was carried out, late */
	assert_int_equal(b.generation, 7);
}

static void what_is_at_a_stopped_blade_is_unknown_there_and_known_again_after(void **state)
{
	struct world *w = *state;
	struct provider_binding b;

	bind_done(w, DISK, 2, 1);
	UNTIL(w, !read_back(w, NIC).unknown);
	(void)kill(w->fakes[1].pid, SIGSTOP);
	UNTIL(w, (b = read_back(w, DISK)).unknown);
	assert_int_equal(b.host, 2);
	assert_int_equal(b.vport, 1);
	UNTIL(w, !read_back(w, NIC).unknown);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_REFUSED);
	assert_int_equal(run(w, bind_op(DISK, 1, 1))->outcome, PROVIDER_REFUSED);
	assert_int_equal(run(w, power_op(2))->why, PROVIDER_WHY_UNSUPPORTED);
	(void)kill(w->fakes[1].pid, SIGCONT);
	UNTIL(w, !(b = read_back(w, DISK)).unknown);
	assert_int_equal(b.host, 2);
	UNTIL(w, run(w, unbind_op(DISK))->outcome == PROVIDER_DONE);
}

static void a_provider_that_starts_beside_a_stopped_blade_knows_nothing_of_it(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	bind_done(w, NIC, 2, 1);
	provider_close(w->provider);
	(void)kill(w->fakes[0].pid, SIGSTOP);
	provider_begin(w);
	assert_true(read_back(w, DISK).unknown);
	assert_int_equal(read_back(w, DISK).host, 0);
	assert_true(read_back(w, NIC2).unknown);
	UNTIL(w, read_back(w, NIC).host == 2); /* it is positively there */
	/* and fences it all the same */
	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE);
	UNTIL(w, !read_back(w, DISK).unknown);
	UNTIL(w, !read_back(w, NIC2).unknown);
}

static void a_client_before_us_leaves_the_blade_hung(void **state)
{
	struct world *w = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char greeting[200];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const struct provider_completion *done;

	provider_close(w->provider);
	w->provider = NULL;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->fakes[0].path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(read(fd, greeting, sizeof(greeting)) > 0);
	provider_begin(w);
	done = read_host(w, 1);
	assert_int_equal(done->outcome, PROVIDER_FAILED);
	assert_string_equal(done->text, "b0 is hung: QMP gives no greeting");
	(void)close(fd);
	UNTIL(w, read_host(w, 1)->outcome == PROVIDER_DONE);
}

static void an_answer_that_was_lost_with_its_connection_is_settled_by_a_look(void **state)
{
	struct world *w = *state;

	bind_done(w, NIC, 1, 2);
	(void)tell(w, 0, "mute device_add");
	assert_int_equal(run_soon(w, bind_op(DISK, 1, 1))->outcome, PROVIDER_UNKNOWN);
	assert_true(read_back(w, DISK).unknown);
	(void)tell(w, 0, "close");
	assert_int_equal(run(w, settle_op(DISK, 0))->outcome, PROVIDER_DONE);
	UNTIL(w, read_back(w, DISK).host == 1);
	assert_int_equal(read_back(w, DISK).generation, 7);
}

/* somebody else */

static void a_provider_that_starts_again_reads_the_same_truth(void **state)
{
	struct world *w = *state;
	const struct provider_op op = { .verb = PROVIDER_IDENTITY,
					.function = NIC,
					.identity = { .mac = MAC } };
	char boot_id[PROVIDER_NAME_MAX];
	struct provider_binding b;

	bind_done(w, DISK, 2, 2);
	assert_int_equal(run(w, op)->outcome, PROVIDER_DONE);
	bind_done(w, NIC, 1, 1);
	memcpy(boot_id, w->hello.boot_id, sizeof(boot_id));
	provider_close(w->provider);
	provider_begin(w);
	assert_string_equal(w->hello.boot_id, boot_id);
	b = read_back(w, DISK);
	assert_true(b.host == 2 && b.vport == 2 && b.generation == 7 && !b.unknown);
	b = read_back(w, NIC);
	assert_true(b.host == 1 && b.vport == 1 && b.generation == 7);
	assert_int_equal(b.identity.mac, MAC);
	assert_int_equal(run(w, unbind_op(NIC))->outcome, PROVIDER_DONE);
	assert_string_equal(tell(w, 0, "list"), "\n");
	assert_int_equal(read_back(w, NIC).identity.mac, MAC);
}

static void a_provider_that_was_killed_between_back_end_and_device_leaves_nothing(void **state)
{
	struct world *w = *state;

	(void)tell(w, 0, "hold device_add");
	(void)submit_by(w, bind_op(DISK, 1, 1), CAP_MS);
	UNTIL(w, strstr(tell(w, 0, "list"), "node fabn"));
	provider_close(w->provider);
	provider_begin(w);
	is_nowhere(w, DISK);
	UNTIL(w, !strcmp(tell(w, 0, "list"), "\n"));
}

static void the_disk_under_another_id_is_foreign(void **state)
{
	struct world *w = *state;
	struct provider_binding b;

	is_nowhere(w, DISK);
	(void)tell_image(w, 0, "stranger");
	b = read_back(w, DISK);
	assert_true(b.host == 1 && b.vport == 2 && !b.generation && !b.unknown);
	assert_int_equal(run(w, bind_op(NIC, 1, 2))->why, PROVIDER_WHY_VPORT_TAKEN);
}

static void the_disk_of_a_command_line_is_foreign_elsewhere_and_cannot_be_taken(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;
	struct provider_binding b;

	(void)tell_image(w, 0, "disk");
	b = read_back(w, DISK);
	assert_true(b.host == 1 && b.vport == PROVIDER_VPORTS_MAX && !b.generation);
	done = run(w, unbind_op(DISK));
	assert_int_equal(done->outcome, PROVIDER_REFUSED);
	assert_int_equal(done->why, PROVIDER_WHY_UNSUPPORTED);
}

static void an_adapter_that_dies_is_an_event_and_stays_where_it_is(void **state)
{
	struct world *w = *state;
	struct provider_binding b;

	bind_done(w, DISK, 1, 1);
	(void)tell(w, 0, "dead");
	UNTIL(w, w->is_gone[DISK]);
	b = read_back(w, DISK);
	assert_int_equal(b.host, 1);
	assert_false(b.present);
	assert_int_equal(run(w, unbind_op(DISK))->why, PROVIDER_WHY_UNSUPPORTED);
	/* it comes back with its next bind */
	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE);
	UNTIL(w, !w->is_gone[DISK]);
}

/* power */

static void a_power_off_is_done_when_the_process_is_gone(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;

	bind_done(w, DISK, 1, 1);
	(void)kill(w->fakes[0].pid, SIGSTOP);
	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE);
	assert_int_equal(waitpid(w->fakes[0].pid, NULL, 0), w->fakes[0].pid);
	w->fakes[0].pid = 0;
	done = read_host(w, 1);
	assert_int_equal(done->outcome, PROVIDER_DONE);
	assert_false(done->host.power);
	assert_true(done->host.power_known);
	assert_int_equal(done->binding_count, 0);
	is_nowhere(w, DISK);
	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE); /* off is off */
	bind_done(w, DISK, 2, 1);
	assert_int_equal(run(w, bind_op(NIC, 1, 1))->outcome, PROVIDER_REFUSED);
}

static void a_process_whose_command_line_does_not_name_the_socket_is_not_killed(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done;

	is_nowhere(w, DISK);
	w->power[1] = true;
	fake_end(&w->fakes[0]);
	UNTIL(w, !w->power[1]);
	fake_start_as(w, 0, true);
	UNTIL(w, w->power[1]);
	done = run(w, power_op(1));
	assert_int_equal(done->outcome, PROVIDER_REFUSED);
	assert_non_null(strstr(done->text, "does not have it on its command line"));
	assert_int_equal(kill(w->fakes[0].pid, 0), 0);
	bind_done(w, DISK, 1, 1);
}

static void nobody_is_powered_off_against_the_chassis_file_or_on(void **state)
{
	struct world *w = *state;
	struct provider_op on = power_op(1);

	is_nowhere(w, DISK);
	assert_int_equal(run(w, power_op(2))->why, PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(kill(w->fakes[1].pid, 0), 0);
	on.value = 1;
	assert_int_equal(run(w, on)->why, PROVIDER_WHY_UNSUPPORTED);
}

static void a_surprise_is_refused_where_power_off_is_possible_and_tried_elsewhere(void **state)
{
	struct world *w = *state;
	struct provider_op op = unbind_op(DISK);

	op.mode = PROVIDER_SURPRISE;
	bind_done(w, DISK, 1, 1);
	assert_int_equal(run(w, op)->why, PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(read_back(w, DISK).host, 1);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	bind_done(w, DISK, 2, 1);
	assert_int_equal(run(w, op)->outcome, PROVIDER_DONE);
}

static void a_blade_that_comes_back_is_news_and_is_empty(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	w->power[1] = true;
	fake_end(&w->fakes[0]);
	UNTIL(w, !w->power[1]);
	fake_start(w, 0);
	UNTIL(w, w->power[1]);
	is_nowhere(w, DISK);
	bind_done(w, DISK, 1, 1);
}

/* blades that can be turned on */

static struct provider_op power_on_op(uint16_t host)
{
	struct provider_op op = power_op(host);

	op.value = 1;
	return op;
}

static void a_scan_says_who_can_be_turned_on(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->provider->ops->scan(w->provider), 0);
	UNTIL(w, w->scan);
	assert_true(w->scan->hosts[0].can_power_on);
	assert_false(w->scan->hosts[1].can_power_on);
}

static void what_is_bound_to_a_blade_that_is_off_is_plugged_in_when_it_is_turned_on(void **state)
{
	struct world *w = *state;
	struct provider_op identity = { .verb = PROVIDER_IDENTITY,
					.function = NIC,
					.identity = { .mac = MAC } };
	const struct provider_completion *done;
	uint64_t on;

	assert_int_equal(run(w, identity)->outcome, PROVIDER_DONE);
	bind_done(w, DISK, 1, 1);
	bind_done(w, NIC, 1, 2);
	assert_int_equal(run(w, bind_op(NIC2, 1, 2))->why, PROVIDER_WHY_VPORT_TAKEN);
	assert_int_equal(run(w, bind_op(DISK, 2, 1))->why, PROVIDER_WHY_BOUND);
	done = read_host(w, 1);
	assert_false(done->host.power);
	assert_int_equal(done->binding_count, 2);
	assert_int_equal(done->bindings[1].identity.mac, MAC);
	on = submit_by(w, power_on_op(1), CAP_MS);
	UNTIL(w, !access(path_of(w, "go"), F_OK));
	fake_start(w, 0);
	assert_int_equal(wait_for(w, on)->outcome, PROVIDER_DONE);
	UNTIL(w, strstr(tell(w, 0, "list"), "mac 02:00:00:00:00:11") &&
			 strstr(tell(w, 0, "list"), "at dn0"));

	assert_int_equal(read_back(w, DISK).host, 1);
	assert_int_equal(read_back(w, DISK).vport, 1);
	assert_int_equal(read_back(w, DISK).generation, 7);
	assert_int_equal(read_back(w, NIC).identity.mac, MAC);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	is_nowhere(w, DISK);
	assert_null(strstr(tell(w, 0, "list"), "at dn0"));
}

static void what_is_let_go_while_its_blade_is_off_is_in_no_blade_ever(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	bind_done(w, NIC, 1, 2);
	assert_int_equal(run(w, unbind_op(DISK))->outcome, PROVIDER_DONE);
	is_nowhere(w, DISK);
	bind_done(w, DISK, 2, 1);
	fake_start(w, 0);
	UNTIL(w, strstr(tell(w, 0, "list"), "at dn1"));
	assert_null(strstr(tell(w, 0, "list"), "at dn0"));
	assert_int_equal(read_back(w, DISK).host, 2);
}

static void what_cannot_be_plugged_in_is_nowhere_and_that_is_told(void **state)
{
	struct world *w = *state;
	unsigned before;

	bind_done(w, DISK, 1, 1);
	before = w->changed;
	fake_start(w, 0);
	(void)tell(w, 0, "refuse device_add");
	UNTIL(w, w->changed > before);
	is_nowhere(w, DISK);
}

static void a_provider_that_starts_again_has_nothing_at_a_blade_that_is_off(void **state)
{
	struct world *w = *state;

	bind_done(w, DISK, 1, 1);
	provider_close(w->provider);
	provider_begin(w);
	is_nowhere(w, DISK);
	fake_start(w, 0);
	is_nowhere(w, DISK);
}

static void a_power_on_that_fails_says_what_its_program_said(void **state)
{
	struct world *w = *state;
	const struct provider_completion *done = run(w, power_on_op(1));

	assert_int_equal(done->outcome, PROVIDER_FAILED);
	assert_non_null(strstr(done->text, "ended with 3: nobody is there"));
}

static void
a_power_on_that_does_not_end_is_unknown_and_settled_once_its_program_is_gone(void **state)
{
	struct world *w = *state;
	uint64_t on = submit_by(w, power_on_op(1), SOON_MS);

	UNTIL(w, !access(path_of(w, "go"), F_OK) || w->has[on % DONE_MAX]);
	assert_int_equal(wait_for(w, on)->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(run(w, settle_op(0, 1))->outcome, PROVIDER_DONE);
	/* Nobody turns it on any more. */
	assert_int_equal(run(w, power_op(1))->outcome, PROVIDER_DONE);
}

static void a_power_on_of_a_blade_that_is_on_is_done(void **state)
{
	struct world *w = *state;

	fake_start(w, 0);
	UNTIL(w, w->power[1]);
	assert_int_equal(run(w, power_on_op(1))->outcome, PROVIDER_DONE);
	assert_int_not_equal(access(path_of(w, "go"), F_OK), 0);
}

#define TEST(name)        cmocka_unit_test_setup_teardown(name, world_begin, world_end)
#define COLD(name, begin) cmocka_unit_test_setup_teardown(name, begin, world_end)
#define HASTY(name)       cmocka_unit_test_setup_teardown(name, hasty_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_scan_shows_blades_and_pool),
		TEST(a_bind_is_read_back_with_vport_and_generation),
		TEST(an_identity_comes_with_the_bind_and_stays_until_it_is_cleared),
		TEST(what_cannot_be_carried_is_refused),
		TEST(an_unbind_takes_device_and_back_end),
		TEST(a_host_read_tells_all_that_sits_there),
		TEST(a_view_reads_registers_and_makes_up_what_cannot_be_read),
		TEST(a_view_of_a_blade_that_is_off_says_so),
		TEST(a_lock_is_told_as_one_and_the_next_try_has_new_names),
		TEST(a_back_end_that_is_refused_is_told_in_qemus_words),
		TEST(an_unbind_waits_for_the_guest),
		TEST(a_guest_that_never_lets_go_leaves_it_unknown_and_settled),
		TEST(what_the_guest_let_go_by_itself_is_news_and_needs_no_unbind),
		TEST(a_device_that_is_gone_already_is_unbound),
		TEST(a_blade_that_dies_at_any_command_of_a_bind_has_nothing),
		TEST(a_blade_that_dies_at_any_command_of_an_unbind_has_let_go),
		HASTY(a_bind_that_is_not_answered_is_unknown_until_it_is),
		HASTY(what_is_at_a_stopped_blade_is_unknown_there_and_known_again_after),
		HASTY(a_provider_that_starts_beside_a_stopped_blade_knows_nothing_of_it),
		HASTY(a_client_before_us_leaves_the_blade_hung),
		HASTY(an_answer_that_was_lost_with_its_connection_is_settled_by_a_look),
		TEST(a_provider_that_starts_again_reads_the_same_truth),
		TEST(a_provider_that_was_killed_between_back_end_and_device_leaves_nothing),
		TEST(the_disk_under_another_id_is_foreign),
		TEST(the_disk_of_a_command_line_is_foreign_elsewhere_and_cannot_be_taken),
		TEST(an_adapter_that_dies_is_an_event_and_stays_where_it_is),
		TEST(a_power_off_is_done_when_the_process_is_gone),
		TEST(a_process_whose_command_line_does_not_name_the_socket_is_not_killed),
		TEST(nobody_is_powered_off_against_the_chassis_file_or_on),
		TEST(a_surprise_is_refused_where_power_off_is_possible_and_tried_elsewhere),
		TEST(a_blade_that_comes_back_is_news_and_is_empty),
		COLD(a_scan_says_who_can_be_turned_on, cold_begin),
		COLD(what_is_bound_to_a_blade_that_is_off_is_plugged_in_when_it_is_turned_on,
		     cold_begin),
		COLD(what_is_let_go_while_its_blade_is_off_is_in_no_blade_ever, cold_begin),
		COLD(what_cannot_be_plugged_in_is_nowhere_and_that_is_told, cold_begin),
		COLD(a_provider_that_starts_again_has_nothing_at_a_blade_that_is_off, cold_begin),
		COLD(a_power_on_that_fails_says_what_its_program_said, broken_begin),
		COLD(a_power_on_that_does_not_end_is_unknown_and_settled_once_its_program_is_gone,
		     endless_begin),
		COLD(a_power_on_of_a_blade_that_is_on_is_done, cold_begin),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	log_setup("test_qemu_provider", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
