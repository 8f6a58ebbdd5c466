/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/host_keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

void host_key_format(const uint8_t key[static DATAGRAM_KEY], char out[static HOST_KEY_TEXT])
{
	for (size_t i = 0; i < DATAGRAM_KEY; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", key[i]);
}

/* ---- the text ---- */

/* The rest of the line at *@at that begins with @word; NULL: it is none, or too long for @room. */
static const char *line_take(const char **at, const char *end, const char *word, char *out,
			     size_t room)
{
	size_t head = strlen(word);
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	const char *text = *at + head;

	if (!stop || (size_t)(stop - *at) <= head || memcmp(*at, word, head) != 0 ||
	    (size_t)(stop - text) >= room || memchr(text, '\0', (size_t)(stop - text)))
		return NULL;
	memcpy(out, text, (size_t)(stop - text));
	out[stop - text] = '\0';
	*at = stop + 1;
	return out;
}

static int key_take(const char **at, const char *end, const char *word,
		    uint8_t key[static DATAGRAM_KEY])
{
	char text[HOST_KEY_TEXT];
	int r = -EINVAL;

	if (line_take(at, end, word, text, sizeof(text)) && strlen(text) == HOST_KEY_TEXT - 1)
		r = datagram_key_parse((const uint8_t *)text, HOST_KEY_TEXT - 1, key);
	explicit_bzero(text, sizeof(text));
	return r;
}

int host_keys_parse(const char *text, size_t length, struct host_keys *out)
{
	const char *end = text + length;
	struct host_keys keys = { 0 };

	if (!length || !line_take(&text, end, "host ", keys.host, sizeof(keys.host)) ||
	    key_take(&text, end, "key ", keys.key))
		return -EINVAL;
	keys.has_old = text < end;
	if (keys.has_old && (key_take(&text, end, "old ", keys.old) || text < end))
		return -EINVAL;
	*out = keys;
	explicit_bzero(&keys, sizeof(keys));
	return 0;
}

static int keys_format(const struct host_keys *keys, char out[static HOST_KEYS_FILE_MAX])
{
	char key[HOST_KEY_TEXT];
	char old[HOST_KEY_TEXT] = "";
	int n;

	host_key_format(keys->key, key);
	if (keys->has_old)
		host_key_format(keys->old, old);
	n = snprintf(out, HOST_KEYS_FILE_MAX, "host %s\nkey %s\n%s%s%s", keys->host, key,
		     keys->has_old ? "old " : "", old, keys->has_old ? "\n" : "");
	explicit_bzero(key, sizeof(key));
	explicit_bzero(old, sizeof(old));
	return n;
}

/* ---- files ---- */

static int keys_load(int folder, const char *name, struct host_keys *out)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	char text[HOST_KEYS_FILE_MAX];
	struct stat st;
	ssize_t n = -1;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || (n = read(fd, text, sizeof(text))) < 0)
		r = -errno;
	close(fd);
	if (!r && st.st_mode & (S_IRWXG | S_IRWXO))
		r = -EPERM;
	if (!r)
		r = host_keys_parse(text, (size_t)n, out);
	explicit_bzero(text, sizeof(text));
	return r;
}

int host_keys_each(const char *folder, void (*fn)(void *arg, const struct host_keys *keys),
		   void *arg)
{
	DIR *list = opendir(folder);
	const struct dirent *entry;

	if (!list)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(list))) {
		size_t length = strlen(entry->d_name);
		struct host_keys keys;
		int r;

		if (length < 5 || strcmp(entry->d_name + length - 4, ".key") != 0)
			continue;
		r = keys_load(dirfd(list), entry->d_name, &keys);
		if (r)
			log_err("key file %s/%s: not taken: %s", folder, entry->d_name,
				r == -EPERM ? "others than its owner can read it" : strerror(-r));
		else
			fn(arg, &keys);
		explicit_bzero(&keys, sizeof(keys));
	}
	closedir(list);
	return 0;
}

static int text_write(int folder, const char *name, const char *text, size_t length)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, length);
	if (n != (ssize_t)length)
		r = n < 0 ? -errno : -ENOSPC;
	if (!r && (fchmod(fd, 0600) || fsync(fd)))
		r = -errno;
	close(fd);
	return r;
}

int host_keys_store(const char *folder, const struct host_keys *keys)
{
	uint64_t hash = datagram_host_hash(keys->host);
	char text[HOST_KEYS_FILE_MAX];
	char name[32];
	char made[32];
	int length = keys_format(keys, text);
	int r;
	int fd;

	(void)snprintf(name, sizeof(name), "%016" PRIx64 ".key", hash);
	(void)snprintf(made, sizeof(made), "%016" PRIx64 ".new", hash);
	(void)mkdir(folder, 0700); /* where it is there, or cannot be, the next line tells */
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : text_write(fd, made, text, (size_t)length);
	explicit_bzero(text, sizeof(text));
	if (!r && (renameat(fd, made, fd, name) || fsync(fd)))
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}
