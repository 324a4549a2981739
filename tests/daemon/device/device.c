/* A library to preload into a process: makes a file a V4L2 camera.
 *
 * INSPECTD_DEVICE is the file. INSPECTD_DEVICE_CONTROL is a file with a `struct control`, which the test reads and writes
 * while the process runs, and INSPECTD_DEVICE_PICTURES the JPEG images, each after its length of four bytes. The camera
 * works as the kernel describes (Linux Media Infrastructure, part I, chapter 3): it fills queued buffers at its rate, and
 * loses a frame when none is queued.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum mode { WORKS, HANGS, UNPLUGGED };

struct control {
    _Atomic uint32_t mode;
    _Atomic uint32_t lose;      /* frames to lose next */
    _Atomic uint32_t cut;       /* frames to cut short next */
    _Atomic uint32_t delay_ms;  /* time from the capture of a frame to its delivery */
    _Atomic uint32_t exposure;  /* in 100 us, kept while the camera is closed */
    _Atomic uint32_t gain;      /* kept as well */
    _Atomic uint32_t buffers;   /* the number of buffers that was requested last */
    _Atomic uint32_t lost;      /* frames that were lost because no buffer was queued */
};

/* Pixels of a picture. */
#define WIDTH 64
#define HEIGHT 48
/* The bytes of a buffer. */
#define LENGTH 65536u
#define BUFFERS 8
#define PICTURES 8
#define LARGEST_GAIN 16u
/* Exposures from here on give the bright pictures. */
#define BRIGHT 40u
/* The largest number of a file. */
#define FILES 65536

static struct control *control;
static const char *device_path;
static const uint8_t *pictures[PICTURES];
static uint32_t picture_lengths[PICTURES];
static _Atomic uint8_t is_device[FILES];

/* The state of the open camera: one thread uses it. */
static uint8_t *memory[BUFFERS];
static double queued_at[BUFFERS];
static unsigned queue[BUFFERS], queue_length, requested;
static double rate = 30, started;
static uint32_t next_frame;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void pause_until(double time) {
    double rest = time - now();
    if (rest <= 0)
        return;
    struct timespec pause = {(time_t)rest, (long)((rest - (double)(time_t)rest) * 1e9)};
    nanosleep(&pause, NULL);
}

__attribute__((constructor)) static void start(void) {
    device_path = getenv("INSPECTD_DEVICE");
    const char *file = getenv("INSPECTD_DEVICE_CONTROL");
    const char *images = getenv("INSPECTD_DEVICE_PICTURES");
    if (!device_path || !file || !images)
        abort();
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    void *(*real_mmap)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    int fd = real_open(file, O_RDWR | O_CLOEXEC), images_fd = real_open(images, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || images_fd < 0)
        abort();
    control = real_mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    off_t size = lseek(images_fd, 0, SEEK_END);
    const uint8_t *bytes = real_mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, images_fd, 0);
    if (control == MAP_FAILED || bytes == MAP_FAILED)
        abort();
    unsigned count = 0;
    for (off_t at = 0; at < size && count < PICTURES; count++) {
        memcpy(&picture_lengths[count], bytes + at, 4);
        pictures[count] = bytes + at + 4;
        at += 4 + (off_t)picture_lengths[count];
    }
    if (count < 4)
        abort();
}

#define REAL(type, name, ...)                             \
    static type (*real)(__VA_ARGS__);                     \
    if (!real)                                            \
        real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define OPENS(name)                                       \
    int name(const char *path, int flags, ...) {          \
        REAL(int, #name, const char *, int, ...);         \
        va_list list;                                     \
        va_start(list, flags);                            \
        mode_t mode = va_arg(list, mode_t);               \
        va_end(list);                                     \
        int is = control && !strcmp(path, device_path);    \
        if (is && control->mode == UNPLUGGED) {           \
            errno = ENODEV;                               \
            return -1;                                    \
        }                                                 \
        int fd = real(path, flags, mode);                 \
        if (fd >= 0 && fd < FILES)                        \
            is_device[fd] = (uint8_t)is;                  \
        return fd;                                        \
    }
OPENS(open)
OPENS(open64)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FILES)
        is_device[fd] = 0;
    return real(fd);
}

#define MAPS(name, offset_type)                                                          \
    void *name(void *at, size_t size, int protection, int flags, int fd, offset_type offset) { \
        REAL(void *, #name, void *, size_t, int, int, int, offset_type);                 \
        if (fd < 0 || fd >= FILES || !is_device[fd])                                     \
            return real(at, size, protection, flags, fd, offset);                        \
        unsigned index = (unsigned)offset / LENGTH;                                      \
        void *mapped = real(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); \
        if (mapped != MAP_FAILED && index < BUFFERS)                                     \
            memory[index] = mapped;                                                      \
        return mapped;                                                                   \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

static int fails(int error) {
    errno = error;
    return -1;
}

/* Fills the first queued buffer with the next frame, when that is due. */
static int dequeue(struct v4l2_buffer *buffer) {
    while (control->mode == HANGS)
        pause_until(now() + 0.002);
    if (control->mode == UNPLUGGED)
        return fails(ENODEV);
    if (!queue_length)
        return fails(EINVAL);
    unsigned index = queue[0];
    memmove(queue, queue + 1, --queue_length * sizeof *queue);
    next_frame += atomic_exchange(&control->lose, 0);
    /* Frames that arrived before the buffer was queued are lost. */
    double delay = control->delay_ms * 1e-3;
    while (started + next_frame / rate + delay < queued_at[index]) {
        next_frame++;
        atomic_fetch_add(&control->lost, 1);
    }
    double captured = started + next_frame / rate;
    pause_until(captured + delay);
    unsigned picture = (control->exposure >= BRIGHT ? 2 : 0) + next_frame % 2;
    uint32_t length = picture_lengths[picture];
    if (control->cut) {
        atomic_fetch_sub(&control->cut, 1);
        length /= 2;
    }
    memcpy(memory[index], pictures[picture], length);
    buffer->index = index;
    buffer->bytesused = length;
    buffer->length = LENGTH;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->field = V4L2_FIELD_NONE;
    buffer->sequence = next_frame++;
    buffer->timestamp.tv_sec = (time_t)captured;
    buffer->timestamp.tv_usec = (suseconds_t)((captured - (double)(time_t)captured) * 1e6);
    return 0;
}

static void format(struct v4l2_pix_format *pixels) {
    memset(pixels, 0, sizeof *pixels);
    pixels->width = WIDTH;
    pixels->height = HEIGHT;
    pixels->pixelformat = V4L2_PIX_FMT_MJPEG;
    pixels->field = V4L2_FIELD_NONE;
    pixels->sizeimage = LENGTH;
    pixels->colorspace = V4L2_COLORSPACE_JPEG;
}

static _Atomic uint32_t *value_of(uint32_t id) {
    if (id == V4L2_CID_EXPOSURE_ABSOLUTE)
        return &control->exposure;
    return id == V4L2_CID_GAIN ? &control->gain : NULL;
}

static int request(unsigned long code, void *argument) {
    switch (code) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "inspectd-test");
        strcpy((char *)capability->card, "Test Camera");
        strcpy((char *)capability->bus_info, "platform:test");
        capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *described = argument;
        if (described->index > 0)
            return fails(EINVAL);
        described->flags = V4L2_FMT_FLAG_COMPRESSED;
        described->pixelformat = V4L2_PIX_FMT_MJPEG;
        strcpy((char *)described->description, "Motion-JPEG");
        return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
        struct v4l2_frmsizeenum *size = argument;
        if (size->index > 0 || size->pixel_format != V4L2_PIX_FMT_MJPEG)
            return fails(EINVAL);
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.width = WIDTH;
        size->discrete.height = HEIGHT;
        return 0;
    }
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT:
        format(&((struct v4l2_format *)argument)->fmt.pix);
        return 0;
    case VIDIOC_S_PARM: {
        struct v4l2_fract *time = &((struct v4l2_streamparm *)argument)->parm.capture.timeperframe;
        if (time->numerator && time->denominator)
            rate = (double)time->denominator / time->numerator;
    } /* fall through */
    case VIDIOC_G_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)argument)->parm.capture;
        memset(capture, 0, sizeof *capture);
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        capture->timeperframe.numerator = 1;
        capture->timeperframe.denominator = (uint32_t)rate;
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *buffers = argument;
        buffers->count = buffers->count < BUFFERS ? buffers->count : BUFFERS;
        queue_length = 0;
        requested = buffers->count;
        if (requested)
            control->buffers = requested;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        if (buffer->index >= requested)
            return fails(EINVAL);
        buffer->length = LENGTH;
        buffer->m.offset = buffer->index * LENGTH;
        return 0;
    }
    case VIDIOC_QBUF: {
        unsigned index = ((struct v4l2_buffer *)argument)->index;
        if (index >= requested || queue_length == requested)
            return fails(EINVAL);
        queue[queue_length++] = index;
        queued_at[index] = now();
        return 0;
    }
    case VIDIOC_DQBUF:
        return dequeue(argument);
    case VIDIOC_STREAMON:
        started = now();
        next_frame = 1;
        return 0;
    case VIDIOC_STREAMOFF:
        queue_length = 0;
        return 0;
    case VIDIOC_QUERYCTRL: {
        struct v4l2_queryctrl *query = argument;
        query->flags = 0;
        query->minimum = 0;
        query->maximum = query->id == V4L2_CID_GAIN ? (int)LARGEST_GAIN : 10000;
        query->step = 1;
        return value_of(query->id) || query->id == V4L2_CID_EXPOSURE_AUTO ? 0 : fails(EINVAL);
    }
    case VIDIOC_G_CTRL:
    case VIDIOC_S_CTRL: {
        struct v4l2_control *one = argument;
        _Atomic uint32_t *value = value_of(one->id);
        if (!value)
            return one->id == V4L2_CID_EXPOSURE_AUTO ? 0 : fails(EINVAL);
        if (code == VIDIOC_S_CTRL) {
            uint32_t wanted = (uint32_t)one->value;
            *value = one->id == V4L2_CID_GAIN && wanted > LARGEST_GAIN ? LARGEST_GAIN : wanted;
        }
        one->value = (int)*value;
        return 0;
    }
    default:
        return fails(ENOTTY);
    }
}

int ioctl(int fd, unsigned long code, ...) {
    REAL(int, "ioctl", int, unsigned long, ...);
    va_list list;
    va_start(list, code);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (fd < 0 || fd >= FILES || !is_device[fd])
        return real(fd, code, argument);
    return request((uint32_t)code, argument);
}
