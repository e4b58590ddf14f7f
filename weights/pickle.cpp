// The stack machine of pickle, with two differences: a global is a row of a table, and calling one
// makes a note of the arguments.
#include "weights/pickle.h"

#include <charconv>
#include <cstring>

namespace lamella {
namespace {

using Kind = PickleValue::Kind;
constexpr std::size_t kLongestLine = 1024;  // of a module's or global's name, or a decimal number

class Machine {
 public:
  Machine(ByteReader& from, PickleHeap& heap)
      : from_(from), heap_(heap), budget_(heap.budget()), name_(from.name()) {}
  ~Machine() {
    budget_.give((stack_.capacity() + memo_.capacity()) * sizeof(PickleValue) +
                 marks_.capacity() * sizeof(std::size_t));
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  PickleValue run() {
    for (;;) {
      const std::uint64_t at = from_.position();
      const std::uint8_t op = from_.byte();
      if (op == '.') return pop();
      if (constant(op) || text(op) || tuple(op) || container(op) || memo(op) || call(op)) continue;
      fail(name_, ": the pickle has the opcode ", int{op}, " at byte ", at,
           ", which torch.save does not write; it is damaged or no checkpoint");
    }
  }

 private:
  // --- the stack -------------------------------------------------------------------------------
  void push(const PickleValue& value) { budget_.push(stack_, value); }
  bool pushed(const PickleValue& value) {
    push(value);
    return true;
  }
  PickleValue pop() {
    const PickleValue value = top();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    if (stack_.size() == (marks_.empty() ? 0 : marks_.back())) damaged("takes from an empty stack");
    return stack_.back();
  }
  // Everything above the last mark; take_marked() removes it.
  std::span<const PickleValue> marked() const {
    if (marks_.empty()) damaged("has no mark where it needs one");
    return std::span(stack_).subspan(marks_.back());
  }
  void take_marked() {
    stack_.resize(marks_.back());
    marks_.pop_back();
  }
  [[noreturn]] void damaged(const char* what) const {
    fail(name_, ": damaged: its pickle ", what, " (before byte ", from_.position(), ")");
  }

  // --- opcodes, each group returning whether the opcode was one of its own -------------------
  bool constant(std::uint8_t op) {
    switch (op) {
      case 0x80:  // PROTO
        if (const int protocol = from_.byte(); protocol > 5) {
          fail(name_, ": a pickle of protocol ", protocol, "; 1 to 5 can be read");
        }
        return true;
      case 0x95:  // FRAME: a hint to readers that fetch ahead
        from_.skip(8);
        return true;
      case 'N':
        return pushed(PickleValue::of_kind(Kind::None));
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return pushed(boolean(op == 0x88));
      case 'J':
        return pushed(PickleValue::of_int(from_.number<std::int32_t>()));
      case 'K':
        return pushed(PickleValue::of_int(from_.number<std::uint8_t>()));
      case 'M':
        return pushed(PickleValue::of_int(from_.number<std::uint16_t>()));
      case 'I':
      case 'L':
        return pushed(decimal(from_.line(kLongestLine)));
      case 0x8a:  // LONG1
        return pushed(binary(from_.byte()));
      case 0x8b:  // LONG4
        return pushed(binary(from_.number<std::uint32_t>()));
      case 'G':
        return pushed(real());
      default:
        return false;
    }
  }

  static PickleValue boolean(bool value) {
    PickleValue made = PickleValue::of_int(value ? 1 : 0);
    made.kind = Kind::Bool;
    return made;
  }
  PickleValue decimal(std::string digits) {
    if (digits == "00" || digits == "01") return boolean(digits == "01");
    if (digits.ends_with('L')) digits.pop_back();
    const bool negative = digits.starts_with('-');
    if (negative) digits.erase(0, 1);
    unsigned __int128 value = 0;
    for (const char digit : digits) {
      if (digit < '0' || digit > '9') damaged("has a number that is none");
      value = value * 10 + static_cast<unsigned>(digit - '0');
    }
    if (digits.empty() || digits.size() > 38) damaged("has a number of more than 38 digits");
    if (value >> 63U != 0) {
      char bytes[sizeof value];
      std::memcpy(bytes, &value, sizeof value);
      return heap_.add_text(Kind::Long, {bytes, sizeof bytes});
    }
    const auto magnitude = static_cast<std::int64_t>(value);
    return PickleValue::of_int(negative ? -magnitude : magnitude);
  }
  PickleValue binary(std::uint64_t bytes) {
    if (bytes > 8) return heap_.add_text(Kind::Long, from_, bytes);
    std::uint64_t value = 0;
    std::uint8_t last = 0;
    for (std::uint64_t i = 0; i < bytes; ++i) {
      last = from_.byte();
      value |= std::uint64_t{last} << (8 * i);
    }
    if ((last & 0x80U) != 0 && bytes < 8) value |= ~std::uint64_t{0} << (8 * bytes);
    return PickleValue::of_int(static_cast<std::int64_t>(value));
  }
  PickleValue real() {  // big-endian
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8U | from_.byte();
    PickleValue made = PickleValue::of_kind(Kind::Float);
    made.real = std::bit_cast<double>(bits);
    return made;
  }

  bool text(std::uint8_t op) {
    switch (op) {
      case 'U':   // SHORT_BINSTRING: Python 2
      case 0x8c:  // SHORT_BINUNICODE
        return pushed(heap_.add_text(Kind::Text, from_, from_.byte()));
      case 'T':  // BINSTRING: Python 2
      case 'X':  // BINUNICODE
        return pushed(heap_.add_text(Kind::Text, from_, from_.number<std::uint32_t>()));
      case 0x8d:  // BINUNICODE8
        return pushed(heap_.add_text(Kind::Text, from_, from_.number<std::uint64_t>()));
      case 'C':  // SHORT_BINBYTES
        return skipped(from_.byte());
      case 'B':  // BINBYTES
        return skipped(from_.number<std::uint32_t>());
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        return skipped(from_.number<std::uint64_t>());
      default:
        return false;
    }
  }
  bool skipped(std::uint64_t bytes) {
    from_.skip(bytes);
    return pushed(PickleValue::of_kind(Kind::Opaque));
  }

  bool tuple(std::uint8_t op) {
    switch (op) {
      case '(':
        budget_.push(marks_, stack_.size());
        return true;
      case 't': {
        const PickleValue made = heap_.add_tuple(marked());
        take_marked();
        return pushed(made);
      }
      case ')':
        return pushed(heap_.add_tuple({}));
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87: {
        PickleValue items[3];
        const std::size_t count = op - 0x84U;
        for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
        return pushed(heap_.add_tuple({items, count}));
      }
      case '0':  // POP
        pop();
        return true;
      case '1':  // POP_MARK
        marked();
        take_marked();
        return true;
      default:
        return false;
    }
  }

  bool container(std::uint8_t op) {
    switch (op) {
      case ']':
        return pushed(heap_.add_container(Kind::List));
      case '}':
        return pushed(heap_.add_container(Kind::Dict));
      case 0x8f:  // EMPTY_SET
        return pushed(PickleValue::of_kind(Kind::Opaque));
      case 0x91:  // FROZENSET
        marked();
        take_marked();
        return pushed(PickleValue::of_kind(Kind::Opaque));
      case 'l':
      case 'd': {
        const PickleValue made = heap_.add_container(op == 'l' ? Kind::List : Kind::Dict);
        fill(made, marked(), op == 'd');
        take_marked();
        return pushed(made);
      }
      case 'a':
      case 's': {
        PickleValue items[2];
        const std::size_t count = op == 'a' ? 1 : 2;
        for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
        fill(top(), {items, count}, op == 's');
        return true;
      }
      case 'e':
      case 'u':
      case 0x90: {  // ADDITEMS, of a set
        const std::span<const PickleValue> items = marked();
        if (marks_.back() == 0) damaged("fills a container that is not there");
        fill(stack_[marks_.back() - 1], items, op == 'u');
        take_marked();
        return true;
      }
      default:
        return false;
    }
  }
  void fill(const PickleValue& container, std::span<const PickleValue> items, bool pairs) {
    if (container.is(Kind::Opaque)) return;
    if (!container.is(pairs ? Kind::Dict : Kind::List)) damaged("fills what is no container");
    if (pairs && items.size() % 2 != 0) damaged("has a key without a value");
    for (const PickleValue& item : items) heap_.append(container, item);
  }

  bool memo(std::uint8_t op) {
    switch (op) {
      case 'q':
        return keep(from_.byte());
      case 'r':
        return keep(from_.number<std::uint32_t>());
      case 0x94:  // MEMOIZE
        return keep(memo_.size());
      case 'h':
        return recall(from_.byte());
      case 'j':
        return recall(from_.number<std::uint32_t>());
      default:
        return false;
    }
  }
  bool keep(std::uint64_t number) {
    // Numbers grow by one (Python 2 begins with 1): a far one is a lie that would cost memory.
    if (number > from_.position()) damaged("numbers a value beyond its length");
    if (number >= memo_.size()) {
      if (number >= memo_.capacity()) budget_.grow(memo_, number + number / 2 + 4);
      memo_.resize(number + 1, PickleValue::of_kind(Kind::Unset));
    }
    memo_[number] = top();
    return true;
  }
  bool recall(std::uint64_t number) {
    if (number >= memo_.size() || memo_[number].is(Kind::Unset)) {
      damaged("refers to a value that is not there");
    }
    return pushed(memo_[number]);
  }

  bool call(std::uint8_t op) {
    switch (op) {
      case 'c': {
        const std::string module = from_.line(kLongestLine);
        return pushed(global(module, from_.line(kLongestLine)));
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue named = pop(), module = pop();
        if (!named.is(Kind::Text) || !module.is(Kind::Text)) damaged("has a global without a name");
        return pushed(global(heap_.text(module), heap_.text(named)));
      }
      case 0x92:  // NEWOBJ_EX
        pop();
        [[fallthrough]];
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const PickleValue arguments = pop(), callee = pop();
        return pushed(called(callee, arguments));
      }
      case 'b':  // BUILD: attributes of an object, which tensors and dictionaries do without
        pop();
        if (!top().is(Kind::Opaque) && !top().is(Kind::Dict) && !top().is(Kind::Object)) {
          damaged("gives attributes to what has none");
        }
        return true;
      case 'Q':  // BINPERSID
        return pushed(heap_.add_persistent(pop()));
      default:
        return false;
    }
  }
  PickleValue global(std::string_view module, std::string_view name) const {
    const PickleGlobal* found = find_global(module, name);
    if (found == nullptr) {
      fail(name_, ": holds a Python object of ", module.substr(0, kLongestLine), ".",
           name.substr(0, kLongestLine),
           ", which is not among those that may be read (nothing of the file was run); save the "
           "weights alone: torch.save(model.state_dict(), FILE)");
    }
    return PickleValue::of_global(found);
  }
  PickleValue called(const PickleValue& callee, const PickleValue& arguments) {
    if (!callee.is(Kind::Global) || !arguments.is(Kind::Tuple))
      damaged("calls what is no function");
    const PickleGlobal& function = *callee.global;
    const std::span<const PickleValue> items = heap_.items(arguments);
    switch (function.kind) {
      case GlobalKind::Opaque:
      case GlobalKind::Dtype:
        return PickleValue::of_kind(Kind::Opaque);
      case GlobalKind::Mapping:
        return mapping(items);
      case GlobalKind::Size:
        if (items.size() == 1 && items[0].is(Kind::Tuple)) return items[0];
        break;
      case GlobalKind::Tensor:
      case GlobalKind::TypedTensor:
      case GlobalKind::Parameter:
        return heap_.add_object(&function, arguments);
      case GlobalKind::Storage:
        break;
    }
    fail(name_, ": damaged: its pickle calls ", function.module, ".", function.name, " with ",
         items.size(), " arguments, as torch.save never does");
  }
  // Python 2 wrote an ordered dictionary as a call with a list of pairs.
  PickleValue mapping(std::span<const PickleValue> arguments) {
    const PickleValue made = heap_.add_container(Kind::Dict);
    if (arguments.empty() || !arguments[0].is(Kind::List)) return made;
    for (const PickleValue& pair : heap_.items(arguments[0])) {
      if (!pair.is(Kind::List) && !pair.is(Kind::Tuple)) damaged("has a key without a value");
      const std::span<const PickleValue> items = heap_.items(pair);
      if (items.size() != 2) damaged("has a key without a value");
      heap_.append(made, items[0]);
      heap_.append(made, items[1]);
    }
    return made;
  }

  ByteReader& from_;
  PickleHeap& heap_;
  MemoryBudget& budget_;
  const std::string& name_;
  std::vector<PickleValue> stack_, memo_;
  std::vector<std::size_t> marks_;
};

}  // namespace

PickleValue unpickle(ByteReader& from, PickleHeap& heap) {
  return Machine(from, heap).run();
}

}  // namespace lamella
