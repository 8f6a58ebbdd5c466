/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static uint64_t sum_of(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325U;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)text[i]) * 0x100000001b3U;
	return sum;
}

/* ---- reading ---- */

/* The rest of the line at *@at if it begins with @word and a blank; NULL: it does not. Cut out of
 * the text, which is writable. */
static char *word_take(char **at, const char *word)
{
	size_t n = strlen(word);
	char *end = strchr(*at, '\n');
	char *value = *at + n + 1;

	if (!end || strncmp(*at, word, n) != 0 || (*at)[n] != ' ')
		return NULL;
	*end = '\0';
	*at = end + 1;
	return value;
}

/* All of @text, in @base. */
static int number_take(const char *text, int base, uint64_t *out)
{
	char *end = NULL;

	if (!text || !*text ||
	    strspn(text, base == 16 ? "0123456789abcdef" : "0123456789") != strlen(text))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, base);
	return errno || *end ? -EINVAL : 0;
}

static int stopped_take(char *value, struct memory *m)
{
	char *blank = strchr(value, ' ');

	if (!blank)
		return -EINVAL;
	*blank = '\0';
	if (!agent_uuid_is(value) || number_take(blank + 1, 10, &m->stopped_epoch))
		return -EINVAL;
	memcpy(m->stopped_boot, value, sizeof(m->stopped_boot));
	return 0;
}

static int lines_take(char *at, struct memory *m)
{
	const char *value = word_take(&at, "fabric-agent");
	char *stopped;

	if (!value || strcmp(value, "1") != 0)
		return -EINVAL;
	value = word_take(&at, "host");
	if (!value || !*value || strlen(value) >= sizeof(m->host))
		return -EINVAL;
	memcpy(m->host, value, strlen(value) + 1);
	if (number_take(word_take(&at, "incarnation"), 16, &m->incarnation) ||
	    number_take(word_take(&at, "epoch"), 10, &m->epoch))
		return -EINVAL;
	stopped = word_take(&at, "stopped");
	if (stopped && stopped_take(stopped, m))
		return -EINVAL;
	return *at ? -EINVAL : 0;
}

int memory_parse(const char *text, size_t length, struct memory *out)
{
	static const char mark[] = "\nsum ";
	char copy[MEMORY_FILE_MAX + 1];
	struct memory m = { 0 };
	const char *sum;
	uint64_t wanted;
	size_t before;

	if (length > MEMORY_FILE_MAX || memchr(text, '\0', length))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	sum = strstr(copy, mark);
	if (!sum || length < 22 || copy[length - 1] != '\n')
		return -EINVAL;
	copy[length - 1] = '\0';
	before = (size_t)(sum - copy) + 1;
	if (strlen(sum + strlen(mark)) != 16 || number_take(sum + strlen(mark), 16, &wanted) ||
	    wanted != sum_of(copy, before))
		return -EINVAL;
	copy[before] = '\0';
	if (lines_take(copy, &m))
		return -EINVAL;
	*out = m;
	return 0;
}

/* ---- writing ---- */

void memory_format(const struct memory *m, struct buf *out)
{
	size_t start = out->length;

	buf_printf(out, "fabric-agent 1\nhost %s\nincarnation %016" PRIx64 "\nepoch %" PRIu64 "\n",
		   m->host, m->incarnation, m->epoch);
	if (m->stopped_boot[0])
		buf_printf(out, "stopped %s %" PRIu64 "\n", m->stopped_boot, m->stopped_epoch);
	if (!out->failed)
		buf_printf(out, "sum %016" PRIx64 "\n",
			   sum_of((const char *)out->data + start, out->length - start));
}

static int file_write(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text->data, text->length) != (ssize_t)text->length || fsync(fd))
		r = errno ? -errno : -EIO;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

void memory_store(const char *path, const struct memory *memory)
{
	OWNED(buf_done) struct buf text = { 0 };
	static bool is_said; /* one agent in a process */
	char fresh[PATH_MAX];
	int r;

	if (!path)
		return;
	memory_format(memory, &text);
	r = text.failed ? -ENOMEM : 0;
	if (!r && snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		r = -ENAMETOOLONG;
	if (!r)
		r = file_write(fresh, &text);
	if (!r && rename(fresh, path))
		r = -errno;
	if (r && !is_said)
		log_warning("state %s: cannot be written: %s; what was told is forgotten when this "
			    "agent ends",
			    path, strerror(-r));
	is_said = r != 0;
}

/* Return: 0, bytes in @text; -errno. */
static int file_read(const char *path, char *text, size_t size, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size);
	if (n < 0)
		n = -errno;
	close(fd);
	*length = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

void memory_load(const char *path, const char *host, struct memory *out)
{
	char text[MEMORY_FILE_MAX + 1];
	struct memory found = { 0 };
	size_t length = 0;
	const char *why = NULL;
	int r;

	*out = (struct memory){ 0 };
	(void)snprintf(out->host, sizeof(out->host), "%s", host);
	if (!path)
		return;
	r = file_read(path, text, sizeof(text), &length);
	if (r == -ENOENT)
		why = "is not there";
	else if (r)
		why = strerror(-r);
	else if (memory_parse(text, length, &found))
		why = "is damaged";
	else if (strcmp(found.host, host) != 0)
		why = "is another host's";
	if (why)
		log_notice("state %s: %s: begun anew", path, why);
	else
		*out = found;
}

bool memory_told(struct memory *memory, uint64_t incarnation, uint64_t epoch)
{
	if (!incarnation || (incarnation == memory->incarnation && epoch <= memory->epoch))
		return false;
	memory->incarnation = incarnation;
	memory->epoch = epoch;
	return true;
}
