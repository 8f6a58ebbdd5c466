/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/nvme_virt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nvme_ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/cursor.h"
#include "common/own.h"

enum {
	WHY_BYTES = 160,
	LISTS_MAX = UINT16_MAX / NVME_SECONDARIES_MAX + 1,
	OPCODE_IDENTIFY = 0x06,
	OPCODE_VIRTUALIZATION = 0x1c,
	CNS_PRIMARY = 0x14,
	CNS_SECONDARIES = 0x15,
	ACT_OFFLINE = 7,
	ACT_ASSIGN = 8,
	ACT_ONLINE = 9,
	RESOURCE_QUEUES = 0,
	RESOURCE_INTERRUPTS = 1,
	/* an admin queue and one for data */
	QUEUES_LEAST = 2,
};

static struct cursor cursor_at(const uint8_t *bytes, size_t length, size_t offset)
{
	return (struct cursor){ .at = bytes + offset, .end = bytes + length };
}

/* 32 bytes from @offset on: NVMe Base 1.4, Figure 257 */
static struct nvme_resource resource_parse(const uint8_t *bytes, size_t offset, bool flexible)
{
	struct cursor c = cursor_at(bytes, NVME_IDENTIFY_BYTES, offset);
	struct nvme_resource r = { .flexible = flexible };

	r.total = cursor_le32(&c);
	(void)cursor_le32(&c); /* assigned to secondaries now */
	r.own = cursor_le16(&c);
	(void)cursor_le16(&c); /* private ones */
	r.most = cursor_le16(&c);
	r.grain = cursor_le16(&c);
	return r;
}

int nvme_primary_parse(const uint8_t *bytes, size_t length, struct nvme_primary *out)
{
	struct cursor c = cursor_at(bytes, length, 0);

	if (length != NVME_IDENTIFY_BYTES)
		return -EBADMSG;
	out->id = cursor_le16(&c);
	out->queues = resource_parse(bytes, 32, bytes[4] & 1);
	out->interrupts = resource_parse(bytes, 64, bytes[4] >> 1 & 1);
	return 0;
}

static struct nvme_secondary secondary_parse(const uint8_t *bytes, size_t offset)
{
	struct cursor c = cursor_at(bytes, NVME_IDENTIFY_BYTES, offset);
	struct nvme_secondary s = { 0 };

	s.id = cursor_le16(&c);
	s.primary = cursor_le16(&c);
	s.online = cursor_u8(&c) & 1;
	(void)cursor_u8(&c);
	(void)cursor_le16(&c);
	s.vf = cursor_le16(&c);
	s.queues = cursor_le16(&c);
	s.interrupts = cursor_le16(&c);
	return s;
}

int nvme_secondaries_parse(const uint8_t *bytes, size_t length, struct nvme_secondary *out,
			   size_t *count)
{
	if (length != NVME_IDENTIFY_BYTES || bytes[0] > NVME_SECONDARIES_MAX)
		return -EBADMSG;
	*count = bytes[0];
	for (size_t i = 0; i < *count; i++)
		out[i] = secondary_parse(bytes, 32 + 32 * i);
	return 0;
}

uint16_t nvme_share(const struct nvme_resource *resource, unsigned vfs)
{
	uint32_t share;

	if (!vfs || resource->total < resource->own)
		return 0;
	share = (resource->total - resource->own) / vfs;
	if (resource->most && share > resource->most)
		share = resource->most;
	if (resource->grain > 1)
		share -= share % resource->grain;
	return (uint16_t)(share > UINT16_MAX ? UINT16_MAX : share);
}

__attribute__((format(printf, 2, 3))) static void say(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, WHY_BYTES, format, args); /* cut is fine */
	va_end(args);
}

/* Status of a command to @id, as a result. */
static int outcome(int r, const char *what, unsigned id, char *why)
{
	if (r < 0)
		say(why, "controller %u: %s: %s", id, what, strerror(-r));
	else if (r > 0)
		say(why, "controller %u: %s: NVMe status %03x", id, what, (unsigned)r);
	return r > 0 ? -EPROTO : r;
}

static int identify(const struct nvme_admin *admin, unsigned cns, unsigned id,
		    uint8_t bytes[static NVME_IDENTIFY_BYTES], char *why)
{
	struct nvme_command c = {
		.opcode = OPCODE_IDENTIFY,
		.cdw10 = (uint32_t)id << 16 | cns,
		.data = bytes,
		.length = NVME_IDENTIFY_BYTES,
	};

	return outcome(admin->run(admin->arg, &c),
		       cns == CNS_PRIMARY ? "identify its capabilities"
					  : "identify secondary controllers",
		       id, why);
}

static int manage(const struct nvme_admin *admin, uint16_t id, unsigned resource, unsigned action,
		  unsigned count, const char *what, char *why)
{
	struct nvme_command c = {
		.opcode = OPCODE_VIRTUALIZATION,
		.cdw10 = (uint32_t)id << 16 | resource << 8 | action,
		.cdw11 = count,
	};

	return outcome(admin->run(admin->arg, &c), what, id, why);
}

static int secondary_online(const struct nvme_admin *admin, const struct nvme_secondary *s,
			    uint16_t queues, uint16_t interrupts, char *why)
{
	int r;

	if (s->online)
		return 0;
	/* what it has can be changed only while it is offline, and it is told so once more */
	r = manage(admin, s->id, 0, ACT_OFFLINE, 0, "take it offline", why);
	if (!r && queues)
		r = manage(admin, s->id, RESOURCE_QUEUES, ACT_ASSIGN, queues, "give it queues",
			   why);
	if (!r && interrupts)
		r = manage(admin, s->id, RESOURCE_INTERRUPTS, ACT_ASSIGN, interrupts,
			   "give it interrupts", why);
	if (!r)
		r = manage(admin, s->id, 0, ACT_ONLINE, 0, "bring it online", why);
	return r;
}

/* Of one kind, for each VF; 0 where they need not be given. */
static int share_of(const struct nvme_resource *resource, unsigned vfs, unsigned least,
		    const char *what, uint16_t *out, char *why)
{
	*out = resource->flexible ? nvme_share(resource, vfs) : 0;
	if (!resource->flexible || *out >= least)
		return 0;
	say(why, "%u flexible %s are too few for %u VFs", resource->total, what, vfs);
	return -ENOSPC;
}

static int list_bring_online(const struct nvme_admin *admin, const struct nvme_secondary *list,
			     size_t count, unsigned vf, unsigned vfs, uint16_t queues,
			     uint16_t interrupts, unsigned *found, char *why)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		if (!list[i].vf || list[i].vf > vfs || (vf && list[i].vf != vf))
			continue;
		(*found)++;
		r = secondary_online(admin, &list[i], queues, interrupts, why);
	}
	return r;
}

int nvme_vfs_ready(const struct nvme_admin *admin, unsigned vf, unsigned vfs, char *why)
{
	uint8_t bytes[NVME_IDENTIFY_BYTES] = { 0 };
	struct nvme_secondary list[NVME_SECONDARIES_MAX];
	struct nvme_primary primary;
	size_t count = NVME_SECONDARIES_MAX;
	unsigned found = 0;
	unsigned from = 0;
	uint16_t interrupts;
	uint16_t queues;
	int r = identify(admin, CNS_PRIMARY, 0, bytes, why);

	if (!r)
		r = nvme_primary_parse(bytes, sizeof(bytes), &primary);
	if (!r)
		r = share_of(&primary.queues, vfs, QUEUES_LEAST, "queues", &queues, why);
	if (!r)
		r = share_of(&primary.interrupts, vfs, 1, "interrupts", &interrupts, why);
	for (unsigned i = 0; !r && count == NVME_SECONDARIES_MAX && i < LISTS_MAX; i++) {
		r = identify(admin, CNS_SECONDARIES, from, bytes, why);
		if (!r && nvme_secondaries_parse(bytes, sizeof(bytes), list, &count)) {
			say(why, "its list of secondary controllers is malformed");
			r = -EPROTO;
		}
		if (!r)
			r = list_bring_online(admin, list, count, vf, vfs, queues, interrupts,
					      &found, why);
		/* ids rise; a list that does not is not read for ever */
		if (!r && count && (list[count - 1].id < from || list[count - 1].id == UINT16_MAX))
			break;
		if (!r && count)
			from = list[count - 1].id + 1u;
	}
	if (!r && found < (vf ? 1 : vfs)) {
		say(why, "%u secondary controllers for %u VFs", found, vf ? 1 : vfs);
		r = REFUSE_NO_VF;
	}
	return r;
}

int nvme_device_run(void *arg, struct nvme_command *command)
{
	struct nvme_passthru_cmd c = {
		.opcode = command->opcode,
		.addr = (uintptr_t)command->data,
		.data_len = command->length,
		.cdw10 = command->cdw10,
		.cdw11 = command->cdw11,
	};
	char path[PATH_MAX];
	int r;
	int fd;

	if (snprintf(path, sizeof(path), "/dev/%s", (const char *)arg) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &c);
	if (r < 0)
		r = -errno;
	(void)close(fd); /* nothing is written through it */
	return r;
}
