/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 160, WHY_BYTES = 160 };

#define HEAD "fabric-provider-pci 1 "

/* FNV-1a, against cut and torn files; no defence against people. */
static uint64_t sum_of(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)text[i]) * 0x100000001b3ull;
	return sum;
}

struct pci_state_record *pci_state_find(struct pci_state *s, const struct topo_address *address)
{
	for (size_t i = 0; i < s->count; i++)
		if (!topo_address_compare(&s->records[i].address, address))
			return &s->records[i];
	return NULL;
}

void pci_state_drop(struct pci_state *s, const struct topo_address *address)
{
	struct pci_state_record *at = pci_state_find(s, address);

	if (!at)
		return;
	s->count--;
	memmove(at, at + 1, (size_t)(s->records + s->count - at) * sizeof(*at));
}

int pci_state_put(struct pci_state *s, const struct pci_state_record *record)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->records[i].vport == record->vport &&
		    topo_address_compare(&s->records[i].address, &record->address) != 0)
			return REFUSE_VPORT_TAKEN;
	pci_state_drop(s, &record->address);
	for (i = 0; i < s->count; i++)
		if (topo_address_compare(&s->records[i].address, &record->address) > 0)
			break;
	memmove(&s->records[i + 1], &s->records[i], (s->count - i) * sizeof(*record));
	s->records[i] = *record;
	s->count++;
	return 0;
}

void pci_state_format(const struct pci_state *s, struct buf *out)
{
	size_t start = out->length;

	buf_printf(out, HEAD "%s\n", s->boot_id);
	for (size_t i = 0; i < s->count; i++) {
		const struct pci_state_record *r = &s->records[i];
		char address[TOPO_ADDRESS_TEXT];

		topo_address_format(&r->address, address);
		buf_printf(out, "bound %s %04x:%04x %u %" PRIu64 "\n", address, r->vendor,
			   r->device, r->vport, r->generation);
	}
	if (!out->failed)
		buf_printf(out, "sum %016" PRIx64 "\n",
			   sum_of((const char *)out->data + start, out->length - start));
}

/* The text under way. */
struct reader {
	const char *at;
	const char *end;
	unsigned line;
	char *why;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct reader *r, const char *format,
						     ...)
{
	char reason[WHY_BYTES - 24];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args); /* cut is fine */
	va_end(args);
	(void)snprintf(r->why, WHY_BYTES, "line %u: %s", r->line, reason); /* it fits */
	return REFUSE_SYNTAX;
}

/* One whole line, without its end. */
static int line_next(struct reader *r, char out[static LINE_MAX_BYTES])
{
	const char *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t length;

	r->line++;
	if (!end)
		return bad(r, "it ends in the middle");
	length = (size_t)(end - r->at);
	if (length >= LINE_MAX_BYTES || memchr(r->at, '\0', length))
		return bad(r, "no line of ours");
	memcpy(out, r->at, length);
	out[length] = '\0';
	r->at = end + 1;
	return 0;
}

/* The number that the whole of @text is. */
static bool number_parse(const char *text, int base, uint64_t most, uint64_t *out)
{
	char *end;
	unsigned long long n;

	if (!((*text >= '0' && *text <= '9') || (base == 16 && *text >= 'a' && *text <= 'f')))
		return false;
	errno = 0;
	n = strtoull(text, &end, base);
	if (errno || *end || n > most)
		return false;
	*out = n;
	return true;
}

static int record_parse(const struct reader *r, char *line, struct pci_state *s)
{
	struct pci_state_record record = { 0 };
	char *words[6] = { NULL };
	char *save = NULL;
	char *colon;
	uint64_t n[4];
	size_t count = 0;

	for (char *w = strtok_r(line, " ", &save); w && count < 6; w = strtok_r(NULL, " ", &save))
		words[count++] = w;
	if (count != 5 || strcmp(words[0], "bound") != 0)
		return bad(r, "no line of ours");
	colon = strchr(words[2], ':');
	if (topo_address_parse(words[1], &record.address) || !colon)
		return bad(r, "no function's address and ids");
	*colon = '\0';
	if (!number_parse(words[2], 16, UINT16_MAX, &n[0]) ||
	    !number_parse(colon + 1, 16, UINT16_MAX, &n[1]) ||
	    !number_parse(words[3], 10, PROVIDER_VPORTS_MAX, &n[2]) || !n[2] ||
	    !number_parse(words[4], 10, UINT64_MAX, &n[3]) || !n[3])
		return bad(r, "a number is out of its range");
	record.vendor = (uint16_t)n[0];
	record.device = (uint16_t)n[1];
	record.vport = (uint16_t)n[2];
	record.generation = n[3];
	if (s->count == PCI_STATE_MAX || pci_state_find(s, &record.address) ||
	    pci_state_put(s, &record))
		return bad(r, "the function or its vport stands there twice");
	return 0;
}

static int head_parse(const struct reader *r, const char *line, struct pci_state *s)
{
	const char *boot_id = line + strlen(HEAD);

	if (strncmp(line, HEAD, strlen(HEAD)) != 0)
		return bad(r, "not a state file of this version");
	if (!*boot_id || strlen(boot_id) >= sizeof(s->boot_id))
		return bad(r, "no boot id");
	(void)snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id); /* it fits */
	return 0;
}

int pci_state_parse(const char *text, size_t length, struct pci_state *out, char *why)
{
	struct reader reader = { .at = text, .end = text + length, .why = why };
	static struct pci_state s; /* 8 KiB; one thread */
	char line[LINE_MAX_BYTES] = "";
	uint64_t sum;
	int r;

	s = (struct pci_state){ 0 };
	if (length > PCI_STATE_BYTES)
		return bad(&reader, "longer than %d bytes", PCI_STATE_BYTES);
	r = line_next(&reader, line);
	if (!r)
		r = head_parse(&reader, line, &s);
	while (!r) {
		const char *start = reader.at;

		r = line_next(&reader, line);
		if (r || strncmp(line, "sum ", 4) != 0) {
			r = r ? r : record_parse(&reader, line, &s);
			continue;
		}
		if (!number_parse(line + 4, 16, UINT64_MAX, &sum) ||
		    sum != sum_of(text, (size_t)(start - text)))
			return bad(&reader, "the sum is wrong");
		if (reader.at != reader.end)
			return bad(&reader, "something follows the sum");
		*out = s;
		return 0;
	}
	return r;
}

int pci_state_load(const char *path, struct pci_state *out, char *why)
{
	char *text;
	size_t length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return -errno;
	text = malloc(PCI_STATE_BYTES + 1);
	if (!text)
		r = -ENOMEM;
	while (!r && length <= PCI_STATE_BYTES) {
		ssize_t n = read(fd, text + length, PCI_STATE_BYTES + 1 - length);

		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	(void)close(fd); /* only read */
	if (!r)
		r = pci_state_parse(text, length, out, why);
	free(text);
	return r;
}

static int write_whole(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->length;) {
		ssize_t n = write(fd, b->data + at, b->length - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

int pci_state_save(const char *path, const struct pci_state *s)
{
	OWNED(buf_done) struct buf b = { 0 };
	char fresh[PATH_MAX];
	int fd;
	int r;

	pci_state_format(s, &b);
	if (b.failed)
		return -ENOMEM;
	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	(void)unlink(fresh); /* left behind by a death; not there is fine */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, &b);
	if (close(fd) && !r)
		r = -errno;
	if (!r && rename(fresh, path))
		r = -errno;
	if (r)
		(void)unlink(fresh); /* the error is what counts */
	return r;
}
