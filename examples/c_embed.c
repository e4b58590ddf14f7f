/* The C interface at work: trains a small network on a folder of images, saves it, opens it in two
 * threads, and lets both classify the same image.
 *   c_embed FOLDER IMAGE MODEL.safetensors */
#include <lamella.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, lamella_last_error());
  return 1;
}

static int on_progress(const lamella_progress* progress, void* user) {
  (void)user;
  if (progress->images == progress->all_images) {
    fprintf(stderr, "epoch %d of %d: loss %.4f\n", progress->epoch, progress->epochs,
            progress->loss);
  }
  return 0; /* go on */
}

static int train_and_save(const char* folder, const char* file) {
  lamella_train_options options;
  lamella_train_options_init(&options, sizeof options);
  options.data = folder;
  options.image_size = 32;
  options.epochs = 5;
  lamella_model* model;
  if (lamella_train(&options, on_progress, NULL, &model) != LAMELLA_OK) return failed("train");
  lamella_scores scores;
  memset(&scores, 0, sizeof scores);
  scores.size = sizeof scores;
  const int status =
      lamella_evaluate(model, folder, NULL, &scores) || lamella_save(model, file) ? failed("save")
                                                                                  : 0;
  if (status == 0) printf("accuracy on all images: %.3f\n", scores.accuracy);
  lamella_close(model);
  return status;
}

typedef struct {
  const char *model, *image;
  float* probabilities; /* out; NULL where it failed */
  int classes;
  char best[64];
} task;

static void* classify(void* argument) {
  task* t = argument;
  lamella_model* model;
  lamella_device_options device;
  lamella_device_options_init(&device, sizeof device);
  device.threads = 1;
  if (lamella_open(t->model, &device, &model) != LAMELLA_OK) {
    failed("open");
    return NULL;
  }
  t->classes = lamella_class_count(model);
  float* probabilities = calloc((size_t)t->classes, sizeof *probabilities);
  if (probabilities && lamella_predict_file(model, t->image, probabilities) == LAMELLA_OK) {
    int best = 0;
    for (int c = 1; c < t->classes; ++c) {
      if (probabilities[c] > probabilities[best]) best = c;
    }
    snprintf(t->best, sizeof t->best, "%s, %.3f", lamella_class_name(model, best),
             (double)probabilities[best]);
    t->probabilities = probabilities;
  } else {
    failed("predict");
    free(probabilities);
  }
  lamella_close(model);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: c_embed FOLDER IMAGE MODEL.safetensors\n");
    return 2;
  }
  if (lamella_api_version() < LAMELLA_API_VERSION) {
    fprintf(stderr, "lamella %s is older than this program\n", lamella_version());
    return 1;
  }
  if (train_and_save(argv[1], argv[3]) != 0) return 1;
  task tasks[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    tasks[i] = (task){argv[3], argv[2], NULL, 0, ""};
    if (pthread_create(&threads[i], NULL, classify, &tasks[i]) != 0) return 1;
  }
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  const float *one = tasks[0].probabilities, *other = tasks[1].probabilities;
  int same = one && other;
  if (same) same = memcmp(one, other, (size_t)tasks[0].classes * sizeof *one) == 0;
  if (same) printf("%s\n", tasks[0].best);
  free(tasks[0].probabilities);
  free(tasks[1].probabilities);
  return same ? 0 : 1;
}
