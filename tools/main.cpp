// lamella: the one tool. Results go to stdout, messages to stderr; the exit status is 0, 1 (failed)
// or 2 (bad usage).
#include <cstdio>
#include <exception>
#include <vector>

#include "tools/arguments.h"
#include "tools/common.h"

namespace {

using lamella::tool::Verb;

int run(std::vector<std::string> arguments) {
  CLI::App app("lamella " LAMELLA_VERSION ": trains and runs small networks on biomedical images.");
  app.set_version_flag("--version", "lamella " LAMELLA_VERSION);
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  const std::vector<Verb> verbs = {lamella::tool::add_train(app),   lamella::tool::add_eval(app),
                                   lamella::tool::add_predict(app), lamella::tool::add_forward(app),
                                   lamella::tool::add_embed(app),   lamella::tool::add_head(app),
                                   lamella::tool::add_inspect(app), lamella::tool::add_convert(app),
                                   lamella::tool::add_synth(app),   lamella::tool::add_doctor(app),
                                   lamella::tool::add_bench(app)};
  arguments = lamella::tool::expand_arguments(std::move(arguments));
  std::reverse(arguments.begin(), arguments.end());  // the parser takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  for (const Verb& verb : verbs) {
    if (verb.parser->parsed()) return verb.run();
  }
  return 2;
}

int complain(const char* sentence, int status, const char* advice = "") {
  std::fprintf(stderr, "lamella: %s%s\n", sentence, advice);  // without an allocation
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    lamella::tool::program_name() = argv[0];
    return run({argv + 1, argv + argc});
  } catch (const CLI::ParseError& error) {
    return complain(error.what(), 2, "; see --help");
  } catch (const lamella::tool::UsageError& error) {
    return complain(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return complain("out of memory; use a smaller --batch or --size", 1);
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
}
