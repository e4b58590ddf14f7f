/* The C interface of lamella: open a model, classify images, train, evaluate, save. For programs in
 * C, or in any language that can call it.
 *
 * Stability. This file only grows: functions, constants and the ends of structs are added, nothing
 * is changed or taken away. A struct begins with its size, which says which of its fields exist;
 * lamella_*_init fills in the size and the defaults, so that a program built with an older header
 * goes on working. LAMELLA_API_VERSION counts the additions: check with lamella_api_version() that
 * the library is at least as new as the header a program was built with.
 *
 * Errors. Every function that can fail returns a lamella_status. What failed, and the way out, is a
 * sentence: lamella_last_error(). When a function fails, what it would have written is untouched.
 * No C++ exception passes this interface, and the library never prints, exits or aborts.
 *
 * Threads. A handle is for one thread at a time; different handles may be used by different threads
 * at once. lamella_last_error() belongs to the calling thread.
 *
 * Strings are UTF-8 and end with a zero byte. Those the library returns stay its own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define LAMELLA_API __attribute__((visibility("default")))
#define LAMELLA_API_VERSION 3

typedef enum lamella_status {
  LAMELLA_OK = 0,
  LAMELLA_BAD_ARGUMENT = 1,  /* NULL, or a value that makes no sense */
  LAMELLA_FAILED = 2,        /* a file, a device, an image: lamella_last_error() names it */
  LAMELLA_OUT_OF_MEMORY = 3, /* of the machine, or of the memory limit that was set */
  LAMELLA_CANCELLED = 4      /* a progress callback said so */
} lamella_status;

/* The LAMELLA_API_VERSION of the library. */
LAMELLA_API int32_t lamella_api_version(void);
/* The version of the library, such as "0.1.0". */
LAMELLA_API const char* lamella_version(void);
/* What the last failing call of this thread failed for; "" where none did. Valid until the next
 * call of this thread. */
LAMELLA_API const char* lamella_last_error(void);

typedef enum lamella_log_level {
  LAMELLA_INFO = 0,   /* what was chosen, and how far a call has come */
  LAMELLA_WARNING = 1 /* what the call goes on with, but somebody should know */
} lamella_log_level;
/* Called with one sentence, from the thread whose call has something to say; never by two threads
 * at once. It must neither throw nor call the library; the sentence is valid until it returns. */
typedef void (*lamella_log_function)(lamella_log_level level, const char* sentence, void* user);
/* From now on the sentences of all handles go to `log`; NULL, as at first: to nobody. Errors are
 * not among them: see lamella_last_error(). When this returns, the function before is not called
 * any more. Since version 3.
 *   user  in: handed to it */
LAMELLA_API void lamella_set_log(lamella_log_function log, void* user);

/* Where a handle computes, and with how much memory. */
typedef struct lamella_device_options {
  size_t size;           /* of this struct */
  const char* device;    /* "auto", "cpu", "cuda" or "simt"; default "auto" */
  int32_t threads;       /* of the processor; 0, the default: all */
  uint64_t memory_limit; /* bytes for weights and intermediate results; 0, the default: no limit.
                           A call that would pass it fails, and changes nothing; predictions
                           never do, since lamella_open() has taken what they need. Images
                           while they are read and resized are not counted. */
  int32_t batch; /* images that lamella_predict() computes together, 1 to 4096; default 1. More
                    take less time each and more memory; a call with fewer takes as long as with
                    this many. Since version 2 */
} lamella_device_options;
/* In: the size of the struct as the program knows it. Out: the defaults. */
LAMELLA_API void lamella_device_options_init(lamella_device_options* options, size_t size);

/* ---- models ---------------------------------------------------------------------------------- */
typedef struct lamella_model lamella_model;

/* Opens a weight file or the best model of a run folder, and makes it ready: predictions take no
 * more of the memory that memory_limit counts than this call did. A file that training wrote says
 * what its network makes of one image; it is refused where a logit now differs by more than a
 * thousandth of the largest.
 *   path     in: of the file or folder; it need not exist afterwards
 *   options  in: NULL for the defaults
 *   model    out: a handle, to be given to lamella_close() once */
LAMELLA_API lamella_status lamella_open(const char* path, const lamella_device_options* options,
                                        lamella_model** model);
/* Frees a handle; NULL is allowed. */
LAMELLA_API void lamella_close(lamella_model* model);

/* The number of classes; 0 for NULL. */
LAMELLA_API int32_t lamella_class_count(const lamella_model* model);
/* The name of a class, valid as long as the handle; NULL where there is none. */
LAMELLA_API const char* lamella_class_name(const lamella_model* model, int32_t index);

/* An image in memory. */
typedef struct lamella_image {
  const void* samples; /* rows from the top; uint8_t or uint16_t, gray or R, G, B by pixel */
  int32_t height, width;
  int32_t channels;  /* 1 gray, 3 RGB; the model's own number is made of it */
  int32_t bit_depth; /* 8 or 16; 0 is black, all bits set is white */
  size_t row_bytes;  /* from one row to the next; 0: there is nothing between rows */
} lamella_image;

/* Classifies `count` images of any size.
 *   probabilities  out: count * lamella_class_count(model) floats, image by image; each image's
 *                  sum is 1 */
LAMELLA_API lamella_status lamella_predict(lamella_model* model, const lamella_image* images,
                                           size_t count, float* probabilities);
/* The same of one PNG, JPEG or TIFF file. */
LAMELLA_API lamella_status lamella_predict_file(lamella_model* model, const char* path,
                                                float* probabilities);

typedef struct lamella_scores {
  size_t size; /* of this struct; set it before the call */
  int64_t images;
  double accuracy, accuracy_low, accuracy_high; /* with its 95 % interval (Wilson) */
  double balanced_accuracy, macro_f1;
  double loss; /* mean cross-entropy */
} lamella_scores;
/* Judges a model by labelled images: a folder with a folder for each class, named as the model's.
 *   split   in: "train", "validation" or "test" where the folder holds ready-made splits, or NULL
 *           for all images
 *   scores  in: its size; out: the rest */
LAMELLA_API lamella_status lamella_evaluate(lamella_model* model, const char* folder,
                                            const char* split, lamella_scores* scores);

/* Writes the model to a safetensors file, whole or not at all, with all that lamella_open() and the
 * command `lamella` need. A file of that name is replaced. */
LAMELLA_API lamella_status lamella_save(const lamella_model* model, const char* path);

/* ---- training -------------------------------------------------------------------------------- */
typedef struct lamella_train_options {
  size_t size;                          /* of this struct */
  const lamella_device_options* device; /* default NULL: its defaults */
  const char* data;     /* a folder with a folder of images for each class, or another form of
                         * lamella train --data; no default */
  const char* network;  /* such as "cbr_small"; default "cbr_tiny" */
  const char* weights;  /* a weight file to start from, with a new classifier; default NULL: none */
  int32_t image_size;   /* pixels of a side that images are resized to; default 128 */
  int32_t channels;     /* 1, the default: gray; 3: RGB */
  int32_t epochs;       /* default 20 */
  int32_t batch;        /* images per step; default 12 */
  double learning_rate; /* of Adam, falling as half a cosine; default 1e-3 */
  double validation_fraction; /* kept for validation where there is no such split; default 0.2 */
  int32_t flips_and_turns;    /* not 0, the default 1: images are flipped and turned at random */
  uint64_t seed;              /* default 0 */
} lamella_train_options;
/* In: the size of the struct as the program knows it. Out: the defaults. */
LAMELLA_API void lamella_train_options_init(lamella_train_options* options, size_t size);

typedef struct lamella_progress {
  size_t size;                /* of this struct, as the library knows it */
  int32_t epoch, epochs;      /* from 1 */
  int64_t images, all_images; /* of this epoch: done, and all */
  double loss;                /* of the last step */
  double validation_accuracy; /* after the last whole epoch; negative: none yet */
} lamella_progress;
/* Called after every step, from the thread that called lamella_train(). Not 0: stop. It must not
 * throw, nor use the handle that is being made. */
typedef int (*lamella_progress_function)(const lamella_progress* progress, void* user);

/* Trains a network and returns the one of best validation accuracy, without a folder for the run.
 *   progress  in: NULL for none; `user` is handed to it
 *   model     out: a handle as from lamella_open() */
LAMELLA_API lamella_status lamella_train(const lamella_train_options* options,
                                         lamella_progress_function progress, void* user,
                                         lamella_model** model);

#if defined(__cplusplus)
}
#endif
