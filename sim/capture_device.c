/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/capture_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "topology/capture.h"
#include "topology/decode.h"

enum { BAR_LEAST = 4096, BAR_MOST = 1 << 20, BAR_GUESS = 16384 };

/* The lowest bit of an address bounds the size from above; no more is known. */
static uint64_t bar_bytes(uint64_t address)
{
	uint64_t lowest = address & -address;

	if (!lowest)
		return BAR_GUESS;
	if (lowest < BAR_LEAST)
		return BAR_LEAST;
	return lowest > BAR_MOST ? BAR_MOST : lowest;
}

/* A BAR that was never programmed reads 0, and cannot be told from one that is not there; but a
 * memory BAR's low bits say something of it. */
static void bars_take(struct sim_bar bars[SIM_BARS], const uint32_t raw[SIM_BARS])
{
	for (unsigned i = 0; i < SIM_BARS; i++) {
		bool is_64 = (raw[i] & 6) == 4 && i + 1 < SIM_BARS;
		uint64_t address = raw[i] & ~0xfull;

		bars[i] = (struct sim_bar){ 0 };
		if (!raw[i] || raw[i] & 1)
			continue;
		if (is_64)
			address |= (uint64_t)raw[i + 1] << 32;
		bars[i] = (struct sim_bar){ bar_bytes(address), is_64, raw[i] >> 3 & 1 };
		if (is_64)
			bars[++i] = (struct sim_bar){ 0 };
	}
}

static uint8_t identity_of(uint16_t class_code)
{
	if (class_code == 0x0200)
		return PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_ENFORCED;
	if (class_code == 0x0c04)
		return PROVIDER_IDENTITY_WWN | PROVIDER_IDENTITY_ENFORCED;
	return 0;
}

static void sriov_take(struct sim_adapter *a, const struct topo_sriov *s)
{
	struct sim_device *d = &a->device;

	if (!s->offset || !s->total_vfs)
		return;
	d->mode = PROVIDER_ADAPTER_SRIOV;
	d->vf_device = s->vf_device;
	d->total_vfs = s->total_vfs;
	/* Offset and stride may read 0 as long as NumVFs does. */
	d->first_vf_offset = s->vfs.first_vf_offset ? s->vfs.first_vf_offset : 1;
	d->vf_stride = s->vfs.vf_stride ? s->vfs.vf_stride : 1;
	bars_take(d->vf_bars, s->bars);
	a->num_vfs = topo_sriov_enabled_vfs(s);
}

static void link_take(struct sim_adapter *a, const struct topo_link *link)
{
	struct sim_device *d = &a->device;

	d->width = link->present && link->max_width ? link->max_width : 1;
	d->mtps = link->present ? topo_speed_tenths(link->max_speed) * 100u : 0;
	a->width = link->present && link->width ? link->width : d->width;
	a->mtps = link->present ? topo_speed_tenths(link->speed) * 100u : 0;
	if (!d->mtps)
		d->mtps = 2500;
	if (!a->mtps)
		a->mtps = d->mtps;
}

int sim_capture_device(struct sim_adapter *adapter, const uint8_t *bytes, size_t length, char *why)
{
	struct topo_function f = { 0 };
	struct sim_device *d = &adapter->device;
	uint8_t *copy;

	topo_decode(bytes, length, &f);
	if (length < 64 || f.vendor == 0xffff || f.header != TOPO_HEADER_NORMAL) {
		(void)snprintf(why, SIM_CHASSIS_WHY, "not an endpoint");
		return REFUSE_FIELD;
	}
	copy = calloc(1, SIM_CONFIG_BYTES);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, length < SIM_CONFIG_BYTES ? length : SIM_CONFIG_BYTES);
	free(adapter->captured);
	adapter->captured = copy;
	adapter->captured_bytes = (uint16_t)(length > 256  ? SIM_CONFIG_BYTES
					     : length > 64 ? 256
							   : 64);
	*d = (struct sim_device){
		.name = "capture",
		.class_code = (uint32_t)f.class_code << 8 | f.prog_if,
		.vendor = f.vendor,
		.device = f.device,
		.subvendor = f.subsystem_vendor,
		.subdevice = f.subsystem_device,
		.revision = f.revision,
		.mode = PROVIDER_ADAPTER_PLAIN,
		.identity_can = identity_of(f.class_code),
		.flr = f.express.flr,
	};
	bars_take(d->bars, f.bars);
	sriov_take(adapter, &f.sriov);
	link_take(adapter, &f.express.link);
	(void)snprintf(adapter->model, sizeof(adapter->model), "%04x:%04x as captured", f.vendor,
		       f.device);
	return 0;
}

struct search {
	const struct topo_address *address;
	struct sim_adapter *adapter;
	char *why;
	bool is_found;
};

/* The first that has the address; a capture may name it twice. */
static int search_device(const struct capture_device *device, void *arg)
{
	struct search *s = arg;

	if (s->is_found || topo_address_compare(&device->address, s->address))
		return 0;
	s->is_found = true;
	return sim_capture_device(s->adapter, device->bytes, device->length, s->why);
}

static int read_from(int fd, struct search *search)
{
	struct capture_error error = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		(void)snprintf(search->why, SIM_CHASSIS_WHY, "not a file");
		return REFUSE_FIELD;
	}
	r = capture_read(fd, search_device, search, &error);
	if (r == REFUSE_SYNTAX) {
		(void)snprintf(search->why, SIM_CHASSIS_WHY, "line %llu: %.100s",
			       (unsigned long long)error.line, error.reason);
		return REFUSE_FIELD;
	}
	if (!r && !search->is_found) {
		(void)snprintf(search->why, SIM_CHASSIS_WHY, "the capture has no such device");
		return REFUSE_FIELD;
	}
	return r;
}

int sim_capture_read(const char *path, const struct topo_address *address,
		     struct sim_adapter *adapter, char *why)
{
	struct search search = { .address = address, .adapter = adapter, .why = why };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0) {
		(void)snprintf(why, SIM_CHASSIS_WHY, "%s", strerror(errno));
		return REFUSE_FIELD;
	}
	r = read_from(fd, &search);
	close(fd);
	return r;
}
