/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/writer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "db/copy.h"
#include "db/file.h"
#include "db/inside.h"

/* A transaction takes batches until it has so many rows or batches: 4096 rows take some 40 ms. */
enum { GROUP_ROWS = 4096, GROUP_BATCHES = 64 };

/* Pages of a backup between two transactions: some 2 ms. */
enum { BACKUP_PAGES = 256 };

enum { RENEW_FIRST_MS = 1000, RENEW_MOST_MS = 60000 };

enum job_state { JOB_NONE, JOB_WANTED, JOB_DONE };

/* A backup. Who may touch it: at JOB_WANTED the thread, else those who hold the mutex. */
struct job {
	enum job_state state;
	char to[PATH_MAX];
	db_backed_up_fn *fn;
	void *arg;
	struct db_copy *copy; /* NULL: not begun */
	int r;
	char why[DB_TEXT_MAX];
};

struct queue {
	struct db_batch *first;
	struct db_batch **end;
};

struct db_writer {
	struct db *db;
	db_written_fn *written;
	void *arg;
	int fd;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t work;
	struct queue waiting;
	struct queue answered;     /* by the thread, not told yet */
	uint64_t writing_since_ms; /* of the oldest batch that the thread has; 0: none */
	bool is_ending;
	struct job job;
	struct db_trouble trouble;
	uint64_t renew_after_ms;
	/* The thread's own until told: the first error, and its words. Written before the first
	 * batch that carries it is put into @answered, never after. */
	int error;
	char why[DB_TEXT_MAX];
	uint64_t renew_ms; /* the thread's: when the next try is due; 0: none is */
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_add(struct queue *q, struct db_batch *batch)
{
	batch->next = NULL;
	*q->end = batch;
	q->end = &batch->next;
}

static struct db_batch *queue_take(struct queue *q)
{
	struct db_batch *batch = q->first;

	if (!batch)
		return NULL;
	q->first = batch->next;
	if (!q->first)
		q->end = &q->first;
	batch->next = NULL;
	return batch;
}

static void queue_free(struct queue *q)
{
	struct db_batch *batch;

	while ((batch = queue_take(q)))
		db_batch_free(batch);
}

/* With the mutex held. Return: how many batches go into the next transaction. */
static size_t group_take(struct db_writer *w, struct db_batch *group[static GROUP_BATCHES])
{
	size_t rows = 0;
	size_t n = 0;

	while (w->waiting.first && n < GROUP_BATCHES &&
	       (!n || rows + w->waiting.first->n <= GROUP_ROWS)) {
		group[n] = queue_take(&w->waiting);
		rows += group[n++]->n;
	}
	w->writing_since_ms = n ? group[0]->since_ms : 0;
	return n;
}

static void write_alone(struct db_writer *w, struct db_batch *batch)
{
	const struct db_batch *one = batch;
	bool is_refused;

	if (!w->error)
		w->error = db_apply_group(w->db, &one, 1, &is_refused, w->why);
	batch->result = w->error;
}

/* A row that breaks a constraint fails its own batch and the later ones, not those before it. */
static void group_write(struct db_writer *w, struct db_batch **group, size_t n)
{
	bool is_refused = false;
	size_t rows = 0;
	int r = w->error;

	if (!r)
		r = db_apply_group(w->db, (const struct db_batch *const *)group, n, &is_refused,
				   w->why);
	if (r && is_refused && !w->error) {
		for (size_t i = 0; i < n; i++)
			write_alone(w, group[i]);
		return;
	}
	w->error = r;
	for (size_t i = 0; i < n; i++) {
		group[i]->result = r;
		rows += group[i]->n;
	}
	log_debug("database: transaction of %zu batch%s, %zu rows", n, n == 1 ? "" : "es", rows);
}

/* Fails only when its counter is full, and then it is readable already. */
static void owner_wake(struct db_writer *w)
{
	const uint64_t one = 1;

	while (write(w->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void group_answer(struct db_writer *w, struct db_batch **group, size_t n)
{
	pthread_mutex_lock(&w->mutex);
	for (size_t i = 0; i < n; i++)
		queue_add(&w->answered, group[i]);
	w->writing_since_ms = 0;
	pthread_mutex_unlock(&w->mutex);
	owner_wake(w);
}

/* With the mutex held. Return: false when the time for a try has come. */
static bool sleep_more(struct db_writer *w)
{
	struct timespec until;

	if (!w->renew_ms) {
		pthread_cond_wait(&w->work, &w->mutex);
		return true;
	}
	until.tv_sec = (time_t)(w->renew_ms / 1000);
	until.tv_nsec = (long)(w->renew_ms % 1000) * 1000000;
	return pthread_cond_timedwait(&w->work, &w->mutex, &until) != ETIMEDOUT;
}

static uint64_t thread_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* that of the condition; it cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* @n: batches taken. Return: false at the end. */
static bool work_wait(struct db_writer *w, struct db_batch **group, size_t *n, bool *is_job)
{
	bool goes_on;

	pthread_mutex_lock(&w->mutex);
	while (!w->waiting.first && !w->is_ending && w->job.state != JOB_WANTED && sleep_more(w))
		;
	*n = group_take(w, group);
	*is_job = w->job.state == JOB_WANTED;
	goes_on = *n || !w->is_ending;
	pthread_mutex_unlock(&w->mutex);
	return goes_on;
}

static void job_end(struct db_writer *w, int r)
{
	db_copy_free(w->job.copy);
	w->job.copy = NULL;
	w->job.r = r;
	pthread_mutex_lock(&w->mutex);
	w->job.state = JOB_DONE;
	pthread_mutex_unlock(&w->mutex);
	owner_wake(w);
}

/* Some of it. */
static void job_step(struct db_writer *w)
{
	struct job *job = &w->job;
	bool is_done = false;
	int r = w->error;

	if (r)
		memcpy(job->why, w->why, sizeof(job->why));
	else if (!job->copy)
		r = db_copy_new(w->db->path, job->to, job->why, &job->copy);
	if (!r)
		r = db_copy_step(job->copy, BACKUP_PAGES, &is_done, job->why);
	if (r || is_done)
		job_end(w, r);
}

/* A row that broke a rule is the owner's mistake, and writing anew does not mend it. */
static bool is_curable(const struct db_writer *w)
{
	return w->error && w->error != -EINVAL && w->db->path[0] && !w->trouble.is_renewed;
}

static void renew_plan(struct db_writer *w)
{
	uint64_t wait = w->trouble.tries ? RENEW_FIRST_MS : w->renew_after_ms;

	for (unsigned i = 1; i < w->trouble.tries && wait < RENEW_MOST_MS; i++)
		wait *= 2;
	w->renew_ms = thread_ms() + (wait < RENEW_MOST_MS ? wait : RENEW_MOST_MS);
}

static void renew_try(struct db_writer *w)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_renew(w->db, why);

	if (r)
		log_warning("database: cannot be written anew: %s", *why ? why : strerror(-r));
	else
		log_notice("database: written anew; what stood there is %s.replaced", w->db->path);
	pthread_mutex_lock(&w->mutex);
	w->trouble.tries++;
	w->trouble.is_renewed = !r;
	memcpy(w->trouble.why, why, sizeof(why));
	pthread_mutex_unlock(&w->mutex);
	w->renew_ms = 0;
	owner_wake(w);
}

/* S15: what was being written when it failed is UNKNOWN until a file can be trusted again. */
static void trouble_advance(struct db_writer *w)
{
	if (!is_curable(w))
		return;
	if (!w->renew_ms)
		renew_plan(w);
	if (thread_ms() < w->renew_ms)
		return;
	renew_try(w);
	if (!w->trouble.is_renewed)
		renew_plan(w);
}

static void *writer_run(void *arg)
{
	struct db_batch *group[GROUP_BATCHES];
	struct db_writer *w = arg;
	bool is_job;
	size_t n;

	while (work_wait(w, group, &n, &is_job)) {
		if (n) {
			group_write(w, group, n);
			group_answer(w, group, n);
		}
		/* After the answer: what was committed is durable without it. */
		if (!w->error)
			w->error = db_checkpoint_if_due(w->db, w->why);
		if (is_job)
			job_step(w);
		trouble_advance(w);
	}
	db_copy_free(w->job.copy); /* cut short: nothing of it stays */
	return NULL;
}

/* Signals are for the thread that decides. */
static int writer_start(struct db_writer *w)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	error = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (error)
		return -error;
	error = pthread_create(&w->thread, NULL, writer_run, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* it was in force before */
	return -error;
}

int db_writer_new(struct db *db, db_written_fn *written, void *arg, struct db_writer **out)
{
	struct db_writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t clock;
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct db_writer){ .db = db, .written = written, .arg = arg };
	queue_init(&w->waiting);
	queue_init(&w->answered);
	pthread_mutex_init(&w->mutex, NULL);
	/* Neither can fail: the attribute is our own. */
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->work, &clock);
	(void)pthread_condattr_destroy(&clock);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->fd < 0 ? -errno : writer_start(w);
	if (r) {
		if (w->fd >= 0)
			(void)close(w->fd); /* nothing was written to it */
		free(w);
		return r;
	}
	*out = w;
	return 0;
}

void db_writer_free(struct db_writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_ending = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->mutex);
	(void)pthread_join(w->thread, NULL); /* it is ours, and was never joined */
	queue_free(&w->answered);
	(void)close(w->fd); /* an eventfd holds nothing */
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

void db_writer_submit_take(struct db_writer *w, struct db_batch *batch, uint64_t cookie)
{
	batch->cookie = cookie;
	batch->since_ms = clock_boot_ms();
	pthread_mutex_lock(&w->mutex);
	queue_add(&w->waiting, batch);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->mutex);
}

int db_writer_backup(struct db_writer *w, const char *to, db_backed_up_fn *fn, void *arg)
{
	int r = 0;

	if (!*w->db->path)
		return -EOPNOTSUPP;
	if (strlen(to) >= sizeof(w->job.to))
		return -ENAMETOOLONG;
	pthread_mutex_lock(&w->mutex);
	if (w->job.state != JOB_NONE) {
		r = -EBUSY;
	} else {
		w->job = (struct job){ .state = JOB_WANTED, .fn = fn, .arg = arg };
		memcpy(w->job.to, to, strlen(to) + 1);
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->mutex);
	return r;
}

int db_writer_fd(const struct db_writer *w)
{
	return w->fd;
}

static void job_tell(struct db_writer *w)
{
	bool is_done;

	pthread_mutex_lock(&w->mutex);
	is_done = w->job.state == JOB_DONE;
	if (is_done)
		w->job.state = JOB_NONE;
	pthread_mutex_unlock(&w->mutex);
	if (is_done)
		w->job.fn(w->job.arg, w->job.r, w->job.r ? w->job.why : "");
}

void db_writer_reap(struct db_writer *w)
{
	struct db_batch *batch;
	struct queue told;
	uint64_t count;

	queue_init(&told);
	(void)!read(w->fd, &count, sizeof(count)); /* first: what is answered later wakes again */
	pthread_mutex_lock(&w->mutex);
	while ((batch = queue_take(&w->answered)))
		queue_add(&told, batch);
	pthread_mutex_unlock(&w->mutex);
	while ((batch = queue_take(&told))) {
		w->written(w->arg, batch->cookie, batch->result, batch->result ? w->why : "");
		db_batch_free(batch);
	}
	job_tell(w);
}

uint64_t db_writer_waiting_since_ms(const struct db_writer *writer)
{
	struct db_writer *w = (struct db_writer *)(uintptr_t)writer; /* the mutex is not state */
	uint64_t since;

	pthread_mutex_lock(&w->mutex);
	since = w->writing_since_ms;
	if (!since && w->waiting.first)
		since = w->waiting.first->since_ms;
	pthread_mutex_unlock(&w->mutex);
	return since;
}

bool db_writer_trouble(const struct db_writer *writer, struct db_trouble *out)
{
	struct db_writer *w = (struct db_writer *)(uintptr_t)writer; /* the mutex is not state */

	pthread_mutex_lock(&w->mutex);
	*out = w->trouble;
	pthread_mutex_unlock(&w->mutex);
	return out->tries != 0;
}

void db_writer_renew_after(struct db_writer *w, uint64_t ms)
{
	pthread_mutex_lock(&w->mutex);
	w->renew_after_ms = ms;
	pthread_mutex_unlock(&w->mutex);
}
