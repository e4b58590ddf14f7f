// Worker threads, batch slots and the cache of the prefetching loader.
#include "io/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "engine/errors.h"
#include "engine/rng.h"

namespace lamella {

// Workers claim the images of an epoch one by one, in order, and write each into its place in one
// of `ahead` batch slots; batch b lives in slot b % ahead. An image is claimed only when its slot's
// batch before it has been handed out.
struct Loader::State {
  struct Slot {
    Batch batch;
    std::int64_t missing = 0;       // images not yet written
    std::int64_t failed_place = 0;  // of `failure` in the batch: the first one is reported
    std::exception_ptr failure;
  };

  State(Dataset data, const Preprocess& rule, const LoaderOptions& settings)
      : dataset(std::move(data)), preprocess(rule), options(settings) {
    of_class.resize(dataset.classes.size());
    for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
      of_class[static_cast<std::size_t>(dataset.samples[i].label)].push_back(
          static_cast<std::int64_t>(i));
    }
    images_of_epoch = options.per_class == 0 ? samples() : 0;
    for (const auto& images : of_class) {
      if (!images.empty()) images_of_epoch += options.per_class;
    }
  }
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::int64_t samples() const { return static_cast<std::int64_t>(dataset.samples.size()); }
  std::int64_t images() const { return images_of_epoch; }
  std::int64_t batches() const { return (images() + options.batch - 1) / options.batch; }
  Slot& slot_of(std::int64_t batch) {
    return slots[static_cast<std::size_t>(batch % options.ahead)];
  }
  std::int64_t batch_size(std::int64_t batch) const {
    return std::min(options.batch, images() - batch * options.batch);
  }

  void prepare_slot(std::int64_t batch);
  bool can_claim() const {
    return next_image < images() && next_image / options.batch < next_batch + options.ahead;
  }
  std::vector<std::int64_t> balanced(std::int64_t of_epoch) const;
  void make_order();
  void work();
  void load(std::int64_t place, std::int64_t number, std::int64_t of_epoch, Batch& batch);
  std::shared_ptr<const Image> fitted(std::int64_t index);

  const Dataset dataset;
  const Preprocess preprocess;
  const LoaderOptions options;
  std::vector<std::vector<std::int64_t>> of_class;  // indices in the data set
  std::int64_t images_of_epoch = 0;

  std::mutex mutex;  // guards everything below
  std::condition_variable work_ready, batch_ready;
  bool stopping = false;
  std::int64_t epoch = -1;
  // Of the epoch: position -> number of the image, which is its index in the data set plus, when it
  // comes for the r-th time again, r * samples().
  std::vector<std::int64_t> order;
  std::int64_t next_image = 0;  // first position that no worker has claimed
  std::int64_t next_batch = 0;  // first batch that next() has not handed out
  std::int64_t in_flight = 0;   // images claimed and not yet written
  std::vector<Slot> slots;
  std::vector<std::shared_ptr<const Image>> cache;  // per index; null: not kept
  std::size_t cached = 0;                           // bytes

  std::vector<std::thread> workers;
};

Loader::State::~State() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  work_ready.notify_all();
  for (std::thread& worker : workers) worker.join();
}

void Loader::State::prepare_slot(std::int64_t batch) {
  if (batch >= batches()) return;
  Slot& slot = slot_of(batch);
  slot.missing = batch_size(batch);
  slot.failure = nullptr;
  Batch& b = slot.batch;
  b.N = slot.missing, b.H = preprocess.height, b.W = preprocess.width, b.C = preprocess.channels;
  b.pixels.resize(static_cast<std::size_t>(b.N * b.H * b.W * b.C));
  b.labels.resize(static_cast<std::size_t>(b.N));
  b.indices.resize(static_cast<std::size_t>(b.N));
}

// The numbers of as many images of every class.
std::vector<std::int64_t> Loader::State::balanced(std::int64_t of_epoch) const {
  std::vector<std::int64_t> numbers;
  for (std::size_t label = 0; label < of_class.size(); ++label) {
    const std::vector<std::int64_t>& indices = of_class[label];
    const auto count = static_cast<std::int64_t>(indices.size());
    if (count == 0) continue;
    const Rng rng(options.seed + (label + 1) * 0x9E3779B97F4A7C15, RngStream::Balance,
                  static_cast<std::uint32_t>(of_epoch));
    const std::vector<std::int64_t> drawn = permutation(count, rng);
    const std::int64_t whole = options.per_class / count * count;
    for (std::int64_t i = 0; i < options.per_class; ++i) {
      const std::int64_t which = i < whole ? i % count : drawn[static_cast<std::size_t>(i - whole)];
      numbers.push_back(indices[static_cast<std::size_t>(which)] + i / count * samples());
    }
  }
  return numbers;
}

void Loader::State::make_order() {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(images()));
  if (options.per_class > 0) {
    numbers = balanced(epoch);
  } else {
    std::iota(numbers.begin(), numbers.end(), 0);
  }
  order.clear();
  if (!options.shuffle) {
    order = std::move(numbers);
    return;
  }
  const Rng rng(options.seed, RngStream::Shuffle, static_cast<std::uint32_t>(epoch));
  for (const std::int64_t i : permutation(images(), rng)) {
    order.push_back(numbers[static_cast<std::size_t>(i)]);
  }
}

void Loader::State::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    work_ready.wait(lock, [this] { return stopping || can_claim(); });
    if (stopping) return;
    const std::int64_t position = next_image++;
    const std::int64_t place = position % options.batch;
    const std::int64_t number = order[static_cast<std::size_t>(position)];
    const std::int64_t of_epoch = epoch;
    Slot& slot = slot_of(position / options.batch);
    ++in_flight;
    lock.unlock();
    std::exception_ptr failure;
    try {
      load(place, number, of_epoch, slot.batch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --in_flight;
    if (failure && (!slot.failure || place < slot.failed_place)) {
      slot.failure = failure;
      slot.failed_place = place;
    }
    if (--slot.missing == 0 || in_flight == 0) batch_ready.notify_all();
  }
}

void Loader::State::load(std::int64_t place, std::int64_t number, std::int64_t of_epoch,
                         Batch& batch) {
  const auto p = static_cast<std::size_t>(place);
  const std::int64_t index = number % samples();
  batch.labels[p] = dataset.samples[static_cast<std::size_t>(index)].label;
  batch.indices[p] = index;
  const auto image = fitted(index);
  const Augmentation drawn = draw_augmentation(options.augment, preprocess, image->height,
                                               image->width, options.seed, of_epoch, number);
  const Image ready = augment(*image, options.augment, preprocess, drawn);
  normalise(ready, preprocess, batch.pixels.data() + p * ready.samples.size());
}

// Random order makes replacing useless: what came first stays.
std::shared_ptr<const Image> Loader::State::fitted(std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  {
    const std::lock_guard lock(mutex);
    if (cache[i]) return cache[i];
  }
  const Image decoded = dataset.read(dataset.samples[i], options.limits);
  auto image = std::make_shared<const Image>(fit_image(decoded, preprocess));
  const std::size_t bytes = image->samples.size() * sizeof(image->samples[0]);
  const std::lock_guard lock(mutex);
  if (cached + bytes <= options.cache_bytes) {
    cached += bytes;
    cache[i] = image;
  }
  return image;
}

Loader::Loader(Dataset dataset, const Preprocess& preprocess, const LoaderOptions& options)
    : state_(std::make_unique<State>(std::move(dataset), preprocess, options)) {
  State& s = *state_;
  check(preprocess);
  check(options.augment);
  if (s.dataset.samples.empty()) fail("loader: the data set ", s.dataset.root, " has no images");
  if (options.per_class < 0) fail("loader: per_class is ", options.per_class, "; use 0 or more");
  if (options.batch < 1 || options.threads < 1 || options.ahead < 1) {
    fail("loader: batch is ", options.batch, ", threads ", options.threads, ", ahead ",
         options.ahead, "; each must be at least 1");
  }
  if (options.augment.quarter_turns && preprocess.height != preprocess.width) {
    fail("loader: quarter turns need a square input, but it is ", preprocess.height, "x",
         preprocess.width);
  }
  s.slots.resize(static_cast<std::size_t>(options.ahead));
  s.cache.resize(s.dataset.samples.size());
  s.next_image = s.images();
  s.next_batch = s.batches();
  for (int i = 0; i < options.threads; ++i) s.workers.emplace_back([&s] { s.work(); });
}

Loader::~Loader() = default;

std::int64_t Loader::images() const {
  return state_->images();
}
std::int64_t Loader::batches() const {
  return state_->batches();
}
const Dataset& Loader::dataset() const {
  return state_->dataset;
}

std::size_t Loader::cached_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->cached;
}

void Loader::start(std::int64_t epoch, std::int64_t first_batch) {
  State& s = *state_;
  if (epoch < 0 || first_batch < 0 || first_batch > s.batches()) {
    fail("loader: epoch ", epoch, " cannot begin at batch ", first_batch, " of ", s.batches());
  }
  std::unique_lock lock(s.mutex);
  s.next_image = s.images();  // nothing more is claimed of the epoch before
  s.batch_ready.wait(lock, [&s] { return s.in_flight == 0; });
  s.epoch = epoch;
  s.make_order();
  s.next_batch = first_batch;
  s.next_image = std::min(first_batch * s.options.batch, s.images());
  for (int i = 0; i < s.options.ahead; ++i) s.prepare_slot(first_batch + i);
  s.work_ready.notify_all();
}

bool Loader::next(Batch& batch) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.next_batch >= s.batches()) return false;
  State::Slot& slot = s.slot_of(s.next_batch);
  s.batch_ready.wait(lock, [&slot] { return slot.missing == 0; });
  if (slot.failure) {
    s.next_image = s.images();  // stop here; start() begins anew
    s.next_batch = s.batches();
    std::rethrow_exception(slot.failure);
  }
  std::swap(batch, slot.batch);
  s.prepare_slot(s.next_batch + s.options.ahead);
  ++s.next_batch;
  s.work_ready.notify_all();
  return true;
}

}  // namespace lamella
