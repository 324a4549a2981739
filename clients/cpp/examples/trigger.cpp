// Requests the inspection of one part and prints its verdict: trigger CAMERA PART KEY

#include <inspectd/client.hpp>

#include <iostream>

int main(int count, char** arguments) {
    if (count != 4) {
        std::cerr << "usage: trigger CAMERA PART KEY\n";
        return 64;
    }
    const inspectd::Client client(inspectd::Options::from_environment());
    inspectd::Trigger trigger;
    trigger.camera_id = arguments[1];
    trigger.part_id = arguments[2];
    trigger.idempotency_key = arguments[3];
    try {
        const auto answer = client.trigger(trigger);
        std::cout << answer.trigger_id() << ' ' << (answer.repeated() ? "true" : "false") << ' '
                  << answer.verdict().sequence() << ' ' << inspectd::v1::Decision_Name(answer.verdict().decision()) << '\n';
    } catch (const inspectd::Error& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
