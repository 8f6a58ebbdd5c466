/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Linux ABI: a device with this override is matched by no driver. */
#define NO_DRIVER "none"

/* What an error of the kernel means, per file; the first line that fits. */
struct meaning {
	int error; /* positive; 0: any other */
	enum provider_outcome outcome;
	enum provider_why why;
	const char *text;
};

/* drivers/pci/iov.c: sriov_numvfs_store() */
static const struct meaning vfs_meanings[] = {
	{ ENOENT, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
	  "the PF has no driver, or one that cannot make VFs" },
	{ ERANGE, PROVIDER_REFUSED, PROVIDER_WHY_NO_VF, "more VFs than the driver allows" },
	{ EINVAL, PROVIDER_REFUSED, PROVIDER_WHY_NO_VF, "the kernel takes no such number of VFs" },
	{ EBUSY, PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "the VFs are in use" },
	{ EPERM, PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "VFs are in use by guests of this machine" },
	{ ENOMEM, PROVIDER_FAILED, PROVIDER_WHY_NONE,
	  "no memory window or bus number is left for VFs above this PF" },
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the PF's driver failed" },
};

static const struct meaning bind_meanings[] = {
	{ ENODEV, PROVIDER_FAILED, PROVIDER_WHY_NO_FUNCTION, "the function went away" },
	{ EINVAL, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED, "the kernel takes no such driver" },
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the driver refused the function" },
};

static const struct meaning unbind_meanings[] = {
	{ EBUSY, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "the driver says that it is in use" },
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the driver does not let go" },
};

/* drivers/pci/pci.c: pci_reset_function() */
static const struct meaning reset_meanings[] = {
	{ ENOTTY, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
	  "no reset of this function works without others" },
	{ EAGAIN, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "the function is being used just now" },
	{ ENODEV, PROVIDER_FAILED, PROVIDER_WHY_NO_FUNCTION, "it did not come back" },
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the reset failed" },
};

/* drivers/pci/hotplug/pciehp_ctrl.c */
static const struct meaning slot_meanings[] = {
	{ ENODEV, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "there is no card in the slot" },
	{ EINVAL, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "the slot is so already" },
	{ EBUSY, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "the slot is changing just now" },
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the slot's controller failed" },
};

static const struct meaning plain_meanings[] = {
	{ 0, PROVIDER_FAILED, PROVIDER_WHY_NONE, "the kernel refused" },
};

void sysfs_answer_set(struct sysfs_answer *a, enum provider_outcome outcome, enum provider_why why,
		      const char *format, ...)
{
	va_list args;

	a->outcome = outcome;
	a->why = why;
	va_start(args, format);
	(void)vsnprintf(a->text, sizeof(a->text), format, args); /* cut is fine */
	va_end(args);
}

static void answer_error(struct sysfs_answer *a, const struct meaning *meanings, int error,
			 const char *what)
{
	const struct meaning *m = meanings;

	while (m->error && m->error != -error)
		m++;
	sysfs_answer_set(a, m->outcome, m->why, "%s: %s: %s", what, m->text, strerror(-error));
}

static void answer_done(struct sysfs_answer *a)
{
	sysfs_answer_set(a, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
}

static int whole_path(const struct sysfs *s, const char *path, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s", s->tree, path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int sysfs_read(const struct sysfs *s, const char *path, char *out, size_t size)
{
	char whole[PATH_MAX];
	ssize_t length;
	int r = whole_path(s, path, whole);
	int fd;

	if (r)
		return r;
	fd = open(whole, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, out, size);
	r = length < 0 ? -errno : 0;
	(void)close(fd); /* only read */
	if (r)
		return r;
	if ((size_t)length == size)
		return -EMSGSIZE;
	while (length && (out[length - 1] == '\n' || out[length - 1] == ' '))
		length--;
	out[length] = '\0';
	return 0;
}

int sysfs_number(const struct sysfs *s, const char *path, uint64_t *out)
{
	char text[32] = "";
	char *end;
	int r = sysfs_read(s, path, text, sizeof(text));
	unsigned long long n;

	if (r)
		return r;
	if (text[0] < '0' || text[0] > '9')
		return -EBADMSG;
	errno = 0;
	n = strtoull(text, &end, !strncmp(text, "0x", 2) ? 16 : 10);
	if (errno || *end)
		return -EBADMSG;
	*out = n;
	return 0;
}

int sysfs_link(const struct sysfs *s, const char *path, char out[static SYSFS_NAME_MAX])
{
	char whole[PATH_MAX];
	char target[PATH_MAX];
	const char *last;
	ssize_t length;
	int r = whole_path(s, path, whole);

	if (r)
		return r;
	length = readlink(whole, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (!last[0] || strlen(last) >= SYSFS_NAME_MAX)
		return -EBADMSG;
	(void)snprintf(out, SYSFS_NAME_MAX, "%.63s", last); /* it fits */
	return 0;
}

/* Return: 0 or -errno. */
static int write_text(const struct sysfs *s, const char *path, const char *text)
{
	char whole[PATH_MAX];
	ssize_t length;
	int r = whole_path(s, path, whole);
	int fd;

	if (r)
		return r;
	if (s->write)
		return s->write(s->arg, whole, text);
	fd = open(whole, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* One write: the kernel takes each as a whole command. */
	length = write(fd, text, strlen(text));
	r = length < 0 ? -errno : (size_t)length < strlen(text) ? -EIO : 0;
	(void)close(fd); /* the kernel has said all it has to say */
	return r;
}

void sysfs_path(const struct topo_address *address, const char *leaf, char out[static PATH_MAX])
{
	char text[TOPO_ADDRESS_TEXT];

	topo_address_format(address, text);
	(void)snprintf(out, PATH_MAX, "sys/bus/pci/devices/%s%s%s", text, leaf[0] ? "/" : "",
		       leaf); /* leaves are ours, and short */
}

static int write_leaf(const struct sysfs *s, const struct topo_address *address, const char *leaf,
		      const char *text)
{
	char path[PATH_MAX];

	sysfs_path(address, leaf, path);
	return write_text(s, path, text);
}

static int number_leaf(const struct sysfs *s, const struct topo_address *address, const char *leaf,
		       uint64_t *out)
{
	char path[PATH_MAX];

	sysfs_path(address, leaf, path);
	return sysfs_number(s, path, out);
}

static bool leaf_is_there(const struct sysfs *s, const struct topo_address *address,
			  const char *leaf)
{
	char path[PATH_MAX];
	char whole[PATH_MAX];

	sysfs_path(address, leaf, path);
	return !whole_path(s, path, whole) && !access(whole, F_OK);
}

bool sysfs_is_there(const struct sysfs *s, const struct topo_address *address)
{
	return leaf_is_there(s, address, "");
}

bool sysfs_driver(const struct sysfs *s, const struct topo_address *address,
		  char out[static SYSFS_NAME_MAX])
{
	char path[PATH_MAX];

	sysfs_path(address, "driver", path);
	return !sysfs_link(s, path, out);
}

static bool address_of_link(const struct sysfs *s, const struct topo_address *from,
			    const char *leaf, struct topo_address *out)
{
	char path[PATH_MAX];
	char name[SYSFS_NAME_MAX];

	sysfs_path(from, leaf, path);
	return !sysfs_link(s, path, name) && !topo_address_parse(name, out);
}

bool sysfs_vf(const struct sysfs *s, const struct topo_address *pf, unsigned vf,
	      struct topo_address *out)
{
	char leaf[SYSFS_NAME_MAX];

	if (!vf)
		return false;
	(void)snprintf(leaf, sizeof(leaf), "virtfn%u", vf - 1); /* it fits */
	return address_of_link(s, pf, leaf, out);
}

bool sysfs_pf(const struct sysfs *s, const struct topo_address *vf, struct topo_address *out)
{
	return address_of_link(s, vf, "physfn", out);
}

void sysfs_reset_methods(const struct sysfs *s, const struct topo_address *address,
			 char out[static SYSFS_NAME_MAX])
{
	char path[PATH_MAX];

	out[0] = '\0';
	if (!leaf_is_there(s, address, "reset"))
		return;
	sysfs_path(address, "reset_method", path);
	/* before Linux 5.15 there was no such file, and the kernel chose in silence */
	if (sysfs_read(s, path, out, SYSFS_NAME_MAX))
		(void)snprintf(out, SYSFS_NAME_MAX, "flr"); /* it fits */
}

/* ---- AER counters ---- */

/* "NAME NUMBER" up to the line's end. */
static int aer_line(const char *line, size_t length, bool *is_total, uint64_t *out)
{
	const char *space = memchr(line, ' ', length);
	uint64_t n = 0;

	if (!space || space == line || space + 1 == line + length)
		return -EBADMSG;
	for (const char *p = space + 1; p < line + length; p++) {
		if (*p < '0' || *p > '9' || n > (UINT64_MAX - 9) / 10)
			return -EBADMSG;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	*is_total = length > 9 && !memcmp(line, "TOTAL_ERR", 9);
	*out = n;
	return 0;
}

int sysfs_aer_parse(const char *text, size_t length, uint64_t *total)
{
	uint64_t sum = 0;
	const char *end = text + length;

	if (length > SYSFS_TEXT_MAX)
		return -EBADMSG;
	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		bool is_total;
		uint64_t n;
		int r;

		if (!line_end)
			line_end = end;
		r = aer_line(text, (size_t)(line_end - text), &is_total, &n);
		if (r)
			return r;
		if (is_total) {
			*total = n;
			return 0;
		}
		sum = sum > UINT64_MAX - n ? UINT64_MAX : sum + n;
		text = line_end < end ? line_end + 1 : end;
	}
	*total = sum;
	return 0;
}

static bool aer_read(const struct sysfs *s, const struct topo_address *address, const char *leaf,
		     uint64_t *out)
{
	char path[PATH_MAX];
	char text[SYSFS_TEXT_MAX];

	sysfs_path(address, leaf, path);
	return !sysfs_read(s, path, text, sizeof(text)) && text[0] &&
	       !sysfs_aer_parse(text, strlen(text), out);
}

struct sysfs_aer sysfs_aer(const struct sysfs *s, const struct topo_address *address)
{
	struct sysfs_aer aer = { 0 };

	aer.known = aer_read(s, address, "aer_dev_correctable", &aer.correctable) &&
		    aer_read(s, address, "aer_dev_nonfatal", &aer.nonfatal) &&
		    aer_read(s, address, "aer_dev_fatal", &aer.fatal);
	return aer;
}

/* ---- VFs ---- */

/* True when a VF has a driver; @a says which. */
static bool vfs_refuse_owned(const struct sysfs *s, const struct topo_address *pf, uint64_t count,
			     struct sysfs_answer *a)
{
	char driver[SYSFS_NAME_MAX];
	char text[TOPO_ADDRESS_TEXT];
	struct topo_address vf;

	for (unsigned i = 1; i <= count; i++) {
		if (!sysfs_vf(s, pf, i, &vf) || !sysfs_driver(s, &vf, driver))
			continue;
		topo_address_format(&vf, text);
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_BLAST,
				 "VF %u (%s) has an owner: driver %s", i, text, driver);
		return true;
	}
	return false;
}

static void vfs_write(const struct sysfs *s, const struct topo_address *pf, unsigned count,
		      struct sysfs_answer *a)
{
	char text[16];
	uint64_t now;
	int r;

	(void)snprintf(text, sizeof(text), "%u", count); /* it fits */
	r = write_leaf(s, pf, "sriov_numvfs", text);
	if (r) {
		answer_error(a, vfs_meanings, r, "sriov_numvfs");
		return;
	}
	r = number_leaf(s, pf, "sriov_numvfs", &now);
	if (r)
		answer_error(a, plain_meanings, r, "sriov_numvfs, read back");
	else if (now != count)
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NO_VF,
				 "the driver made %u VFs instead of %u", (unsigned)now, count);
	else
		answer_done(a);
}

/* What failed behind a step that was done is no refusal: something was changed. */
static void answer_after_step(struct sysfs_answer *a)
{
	if (a->outcome == PROVIDER_REFUSED)
		a->outcome = PROVIDER_FAILED;
}

void sysfs_vfs_set(const struct sysfs *s, const struct topo_address *pf, unsigned count,
		   struct sysfs_answer *a)
{
	uint64_t total;
	uint64_t now;
	int r;

	if (number_leaf(s, pf, "sriov_totalvfs", &total) ||
	    number_leaf(s, pf, "sriov_numvfs", &now)) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
				 "the kernel knows of no VFs there");
		return;
	}
	if (count > total) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_NO_VF, "%u VFs of %u", count,
				 (unsigned)total);
		return;
	}
	answer_done(a);
	if (now == count || vfs_refuse_owned(s, pf, now, a))
		return;
	/* Linux before 4.12 has no such file, and leaves VFs to their drivers */
	r = write_leaf(s, pf, "sriov_drivers_autoprobe", "0");
	if (r && r != -ENOENT) {
		answer_error(a, plain_meanings, r, "sriov_drivers_autoprobe");
		return;
	}
	if (now)
		vfs_write(s, pf, 0, a);
	if (a->outcome != PROVIDER_DONE || !count)
		return;
	vfs_write(s, pf, count, a);
	if (now)
		answer_after_step(a);
}

/* ---- drivers ---- */

/* A VF whose PF has probing switched off is given to no driver by its ids: it is switched on for
 * this one probe. Return: 0 or -errno. */
static int probe(const struct sysfs *s, const struct topo_address *address, bool by_ids)
{
	char text[TOPO_ADDRESS_TEXT];
	struct topo_address pf;
	uint64_t autoprobe = 1;
	int r;

	topo_address_format(address, text);
	if (!by_ids || !sysfs_pf(s, address, &pf) ||
	    number_leaf(s, &pf, "sriov_drivers_autoprobe", &autoprobe))
		autoprobe = 1;
	if (!autoprobe) {
		r = write_leaf(s, &pf, "sriov_drivers_autoprobe", "1");
		if (r)
			return r;
	}
	r = write_text(s, "sys/bus/pci/drivers_probe", text);
	if (!autoprobe) {
		int back = write_leaf(s, &pf, "sriov_drivers_autoprobe", "0");

		r = r ? r : back;
	}
	return r;
}

void sysfs_bind(const struct sysfs *s, const struct topo_address *address, const char *driver,
		struct sysfs_answer *a)
{
	char now[SYSFS_NAME_MAX];
	int r;

	if (sysfs_driver(s, address, now)) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "driver %s has it", now);
		return;
	}
	/* a line end alone clears it */
	r = write_leaf(s, address, "driver_override", driver ? driver : "\n");
	if (r) {
		answer_error(a, bind_meanings, r, "driver_override");
		return;
	}
	r = probe(s, address, !driver);
	if (r)
		answer_error(a, bind_meanings, r, "drivers_probe");
	else if (!sysfs_driver(s, address, now))
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE,
				 "no driver took it: %s is not loaded, or refused it",
				 driver ? driver : "the one of its ids");
	else if (driver && strcmp(driver, now) != 0)
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE, "driver %s took it, not %s",
				 now, driver);
	else
		answer_done(a);
}

void sysfs_unbind(const struct sysfs *s, const struct topo_address *address, struct sysfs_answer *a)
{
	char text[TOPO_ADDRESS_TEXT];
	char driver[SYSFS_NAME_MAX];
	int r = write_leaf(s, address, "driver_override", NO_DRIVER);

	answer_done(a);
	if (!sysfs_driver(s, address, driver))
		return;
	if (r) {
		answer_error(a, unbind_meanings, r, "driver_override");
		return;
	}
	topo_address_format(address, text);
	r = write_leaf(s, address, "driver/unbind", text);
	if (sysfs_driver(s, address, driver)) {
		if (!r)
			r = -EBUSY;
		answer_error(a, unbind_meanings, r, driver);
	}
}

/* ---- resets ---- */

static int blast_add(struct sysfs_blast *b, const struct topo_address *address)
{
	for (size_t i = 0; i < b->count; i++)
		if (!topo_address_compare(&b->hit[i], address))
			return 0;
	if (b->count == SYSFS_BLAST_MAX)
		return REFUSE_LIMIT;
	b->hit[b->count++] = *address;
	return 0;
}

/* @address and its VFs. */
static int blast_add_pf(const struct sysfs *s, struct sysfs_blast *b,
			const struct topo_address *address)
{
	struct topo_address vf;
	uint64_t count = 0;
	int r = blast_add(b, address);

	if (number_leaf(s, address, "sriov_numvfs", &count))
		count = 0;
	for (unsigned i = 1; !r && i <= count && i <= UINT16_MAX; i++)
		if (sysfs_vf(s, address, i, &vf))
			r = blast_add(b, &vf);
	return r;
}

static int blast_add_bus(const struct sysfs *s, struct sysfs_blast *b,
			 const struct topo_address *address)
{
	char path[PATH_MAX];
	struct topo_address other;
	struct dirent *entry;
	size_t looked = 0;
	DIR *folder;
	int r = whole_path(s, "sys/bus/pci/devices", path);

	if (r)
		return r;
	folder = opendir(path);
	if (!folder)
		return -errno;
	while (!r && looked++ < SYSFS_ENTRIES_MAX && (entry = readdir(folder)))
		if (!topo_address_parse(entry->d_name, &other) && other.domain == address->domain &&
		    other.bus == address->bus)
			r = blast_add_pf(s, b, &other);
	closedir(folder);
	return r;
}

int sysfs_blast(const struct sysfs *s, const struct topo_address *address, struct sysfs_blast *out)
{
	char methods[SYSFS_NAME_MAX];
	int r;

	*out = (struct sysfs_blast){ 0 };
	if (!sysfs_is_there(s, address))
		return -ENOENT;
	sysfs_reset_methods(s, address, methods);
	/* the first is the one that the kernel tries; "bus" and "cxl_bus" take the bus along */
	out->bus = !methods[0] || !strncmp(methods, "bus", 3) || !strncmp(methods, "cxl_bus", 7);
	r = blast_add_pf(s, out, address);
	return !r && out->bus ? blast_add_bus(s, out, address) : r;
}

void sysfs_reset(const struct sysfs *s, const struct topo_address *address, struct sysfs_answer *a)
{
	OWNED(sysfs_blast_free) struct sysfs_blast *blast = malloc(sizeof(*blast));
	char driver[SYSFS_NAME_MAX];
	char text[TOPO_ADDRESS_TEXT];
	int r = blast ? sysfs_blast(s, address, blast) : -ENOMEM;

	if (r) {
		sysfs_answer_set(a, PROVIDER_REFUSED,
				 r == -ENOENT ? PROVIDER_WHY_NO_FUNCTION : PROVIDER_WHY_BLAST,
				 r == -ENOENT ? "the function is not there"
					      : "what the reset hits cannot be told");
		return;
	}
	/* S16: named first, and refused if it would hit another owner */
	for (size_t i = 1; i < blast->count; i++) {
		if (!sysfs_driver(s, &blast->hit[i], driver))
			continue;
		topo_address_format(&blast->hit[i], text);
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_BLAST,
				 "the reset would hit %s%s: driver %s has it",
				 blast->bus ? "the whole bus, with " : "", text, driver);
		return;
	}
	r = write_leaf(s, address, "reset", "1");
	if (r == -ENOENT)
		r = -ENOTTY;
	if (r)
		answer_error(a, reset_meanings, r, "reset");
	else
		answer_done(a);
}

/* ---- slots ---- */

bool sysfs_slot(const struct sysfs *s, uint32_t domain, uint8_t bus,
		char out[static SYSFS_NAME_MAX])
{
	char path[PATH_MAX];
	char leaf[PATH_MAX];
	char text[TOPO_ADDRESS_TEXT];
	char wanted[TOPO_ADDRESS_TEXT];
	struct dirent *entry;
	size_t looked = 0;
	bool found = false;
	DIR *folder = whole_path(s, "sys/bus/pci/slots", path) ? NULL : opendir(path);

	if (!folder)
		return false;
	(void)snprintf(wanted, sizeof(wanted), "%04x:%02x:00", domain, bus); /* it fits */
	while (!found && looked++ < SYSFS_ENTRIES_MAX && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= SYSFS_NAME_MAX)
			continue;
		(void)snprintf(leaf, sizeof(leaf), "sys/bus/pci/slots/%.63s/address",
			       entry->d_name); /* it fits */
		found = !sysfs_read(s, leaf, text, sizeof(text)) && strcmp(text, wanted) == 0;
		if (found)
			(void)snprintf(out, SYSFS_NAME_MAX, "%.63s", entry->d_name); /* it fits */
	}
	closedir(folder);
	return found;
}

static void slot_write(const struct sysfs *s, const char *slot, const char *leaf, unsigned value,
		       struct sysfs_answer *a)
{
	char path[PATH_MAX];
	char text[16];
	int r;

	(void)snprintf(path, sizeof(path), "sys/bus/pci/slots/%s/%s", slot, leaf); /* it fits */
	(void)snprintf(text, sizeof(text), "%u", value);                           /* it fits */
	r = write_text(s, path, text);
	if (r == -ENOENT || r == -EACCES)
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
				 "slot %s has no control of its %s", slot, leaf);
	else if (r)
		answer_error(a, slot_meanings, r, slot);
	else
		answer_done(a);
}

void sysfs_slot_power(const struct sysfs *s, const char *slot, bool on, struct sysfs_answer *a)
{
	char path[PATH_MAX];
	uint64_t now;

	(void)snprintf(path, sizeof(path), "sys/bus/pci/slots/%s/power", slot); /* it fits */
	if (!sysfs_number(s, path, &now) && (now != 0) == on) {
		answer_done(a);
		return;
	}
	slot_write(s, slot, "power", on, a);
	/* a kernel that was quicker than this look */
	if (!sysfs_number(s, path, &now)) {
		if ((now != 0) == on)
			answer_done(a);
		else if (a->outcome == PROVIDER_DONE)
			sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE,
					 "slot %s: the power is still %s", slot, on ? "off" : "on");
	}
}

void sysfs_slot_attention(const struct sysfs *s, const char *slot, unsigned how,
			  struct sysfs_answer *a)
{
	slot_write(s, slot, "attention", how, a);
}

void sysfs_remove(const struct sysfs *s, const struct topo_address *address, struct sysfs_answer *a)
{
	int r;

	answer_done(a);
	if (!sysfs_is_there(s, address))
		return;
	r = write_leaf(s, address, "remove", "1");
	if (r)
		answer_error(a, plain_meanings, r, "remove");
	else if (sysfs_is_there(s, address))
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE,
				 "remove: it is still there");
}

void sysfs_rescan(const struct sysfs *s, struct sysfs_answer *a)
{
	int r = write_text(s, "sys/bus/pci/rescan", "1");

	answer_done(a);
	if (r)
		answer_error(a, plain_meanings, r, "rescan");
}
