#include <inspectd/client.hpp>

#include <iostream>

int main() {
    // The daemon at INSPECTD_SERVER, or else at http://127.0.0.1:50051.
    const inspectd::Client client(inspectd::Options::from_environment());

    // Reconnects and resumes by itself. A verdict is acknowledged when the loop requests the next one; after a restart of this
    // program, the stream continues after the last acknowledged verdict.
    auto stream = client.subscribe(inspectd::Subscription::of_consumer("mes"));
    try {
        while (const auto verdict = stream.next_verdict()) {
            std::cout << verdict->sequence() << ' ' << verdict->camera_id() << ' '
                      << inspectd::v1::Decision_Name(verdict->decision()) << ' ' << verdict->score().value() << std::endl;
        }
    } catch (const inspectd::Error& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
