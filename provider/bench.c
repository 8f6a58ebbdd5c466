/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many operations per second pass through queue, client, socket and server, with a provider
 * behind it that does nothing: bench_provider [OPERATIONS]. Two processes; each says what it took
 * of a core.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "provider/client.h"
#include "provider/queue.h"
#include "provider/server.h"

enum { HELD_MAX = 65536, SWITCHES = 4, DEPTH = 64 };

/* Completes all that it was given at the next advance(). */
struct idle {
	struct provider provider;
	struct provider_sink sink;
	uint64_t held[HELD_MAX];
	size_t count;
};

static int idle_submit(struct provider *p, const struct provider_op *op)
{
	struct idle *m = (struct idle *)p;

	if (m->count == HELD_MAX)
		return -ENOBUFS;
	m->held[m->count++] = op->attempt;
	return 0;
}

static int idle_scan(struct provider *p)
{
	(void)p;
	return -EOPNOTSUPP;
}

static int idle_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	(void)p;
	(void)host;
	(void)cookie;
	return -EOPNOTSUPP;
}

static void idle_advance(struct provider *p, uint64_t now_ms)
{
	struct idle *m = (struct idle *)p;

	(void)now_ms;
	for (size_t i = 0; i < m->count; i++) {
		const struct provider_completion done = { .attempt = m->held[i] };

		m->sink.completed(m->sink.arg, &done);
	}
	m->count = 0;
}

static uint64_t idle_next_ms(const struct provider *p)
{
	(void)p;
	return UINT64_MAX;
}

static const struct provider_ops idle_ops = {
	.name = "idle",
	.submit = idle_submit,
	.scan = idle_scan,
	.view = idle_view,
	.advance = idle_advance,
	.next_ms = idle_next_ms,
};

struct served {
	struct event_base *base;
	bool came;
};

static void served_manager(void *arg, bool here)
{
	struct served *served = arg;

	served->came |= here;
	if (served->came && !here)
		(void)event_base_loopbreak(served->base); /* cannot fail within the loop */
}

static double cpu_seconds(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use); /* cannot fail for SELF */
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static int serve(const char *path)
{
	struct served served = { .base = event_base_new() };
	const struct provider_server_user user = { .manager = served_manager, .arg = &served };
	const struct provider_hello hello = { .name = "idle",
					      .boot_id = "1",
					      .can = PROVIDER_CAN_WRITE | PROVIDER_CAN_BARRIER,
					      .timeout_ms = 1000,
					      .depth = DEPTH };
	static struct idle model = { .provider = { .ops = &idle_ops } };
	struct provider_server *server;

	if (!served.base || provider_server_new(served.base, path, &user, &server))
		return 1;
	model.sink = provider_server_sink(server);
	provider_server_attach(server, &model.provider, &hello);
	(void)event_base_dispatch(served.base); /* it ends when the manager goes */
	printf("provider: %.2f s of a core\n", cpu_seconds());
	provider_server_free(server);
	event_base_free(served.base);
	return 0;
}

struct manager {
	struct event_base *base;
	struct provider *client;
	struct provider_queue *queue;
	uint64_t operations;
	uint64_t put;
	uint64_t completed;
	uint64_t started_us;
};

static void fill(struct manager *m)
{
	uint64_t now_ms = clock_boot_ms();

	while (m->put < m->operations && m->put - m->completed < 16384) {
		const struct provider_op op = { .attempt = ++m->put,
						.verb = PROVIDER_UNBIND,
						.function = (uint32_t)(1 + m->put % 4096),
						.host = 1,
						.vport = 1 };

		if (provider_queue_put(m->queue, (uint16_t)(1 + m->put % SWITCHES),
				       PROVIDER_FOR_REST, &op, 10000))
			exit(1);
	}
	do
		provider_queue_advance(m->queue, now_ms);
	while (!provider_queue_next_ms(m->queue));
}

static bool open_gate(void *arg, const struct provider_op *op)
{
	(void)arg;
	(void)op;
	return true;
}

static void queue_completed(void *arg, const struct provider_op *op,
			    const struct provider_completion *done)
{
	struct manager *m = arg;

	(void)op;
	(void)done;
	if (++m->completed == m->operations)
		(void)event_base_loopbreak(m->base); /* cannot fail within the loop */
}

static void sink_completed(void *arg, const struct provider_completion *done)
{
	struct manager *m = arg;

	provider_queue_completed(m->queue, done, clock_boot_ms());
	if (!provider_queue_next_ms(m->queue))
		fill(m);
}

static void sink_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct manager *m = arg;

	if (state != PROVIDER_READY || m->started_us)
		return;
	m->started_us = clock_boot_us();
	if (provider_queue_attach(m->queue, m->client, hello, SWITCHES, clock_boot_ms()))
		exit(1);
	fill(m);
}

static int manage(const char *path, uint64_t operations)
{
	struct manager m = { .base = event_base_new(), .operations = operations };
	const struct provider_queue_user user = { .gate = open_gate,
						  .completed = queue_completed,
						  .arg = &m };
	const struct provider_sink sink = { .completed = sink_completed,
					    .state = sink_state,
					    .arg = &m };
	double seconds;

	if (!m.base || provider_queue_new(&user, &m.queue) ||
	    provider_client_open(m.base, "idle", path, &sink, &m.client))
		return 1;
	(void)event_base_dispatch(m.base); /* it ends with the last completion */
	seconds = (double)(clock_boot_us() - m.started_us) / 1e6;
	printf("%llu operations in %.2f s: %.0f per second\n", (unsigned long long)m.completed,
	       seconds, (double)m.completed / seconds);
	printf("manager: %.2f s of a core\n", cpu_seconds());
	(void)fflush(stdout);
	m.client->ops->close(m.client);
	provider_queue_free(m.queue);
	event_base_free(m.base);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	char folder[] = "/tmp/bench_provider.XXXXXX";
	char path[64];
	pid_t child;
	int r;

	if (!operations || !mkdtemp(folder))
		return 2;
	(void)snprintf(path, sizeof(path), "%s/socket", folder); /* it fits */
	child = fork();
	if (!child)
		return serve(path);
	r = child < 0 ? 1 : manage(path, operations);
	if (child > 0)
		(void)waitpid(child, NULL, 0);
	(void)rmdir(folder);
	return r;
}
