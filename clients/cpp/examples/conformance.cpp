// The program that `inspectctl conformance` tests; docs/conformance.md describes its lines.
//
//   inspectctl conformance -- build/conformance {address}
//
// The address may have a scheme. The environment names the files of a daemon with access control, as for inspectctl.

#include <inspectd/client.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace inspectd;

const char* name_of(v1::Decision decision) {
    switch (decision) {
        case v1::DECISION_PASS: return "PASS";
        case v1::DECISION_REJECT: return "REJECT";
        case v1::DECISION_REVIEW: return "REVIEW";
        case v1::DECISION_FAULT: return "FAULT";
        default: return "UNKNOWN";
    }
}

void follow(const Client& client, Subscription subscription, const std::string& silence_ms) {
    subscription.silence = std::chrono::milliseconds(std::stoll(silence_ms));
    const bool acknowledges = subscription.start.kind == Start::Kind::consumer;
    auto stream = client.subscribe(std::move(subscription));
    while (const auto event = stream.next()) {
        if (const auto* received = std::get_if<VerdictEvent>(&*event)) {
            const auto& verdict = received->verdict;
            std::cout << "verdict " << received->epoch << ' ' << verdict.sequence() << ' ' << name_of(verdict.decision())
                      << std::endl;
            std::string line;
            if (!std::getline(std::cin, line)) return;
            if (acknowledges) stream.acknowledge(verdict.sequence());
        } else if (const auto* lost = std::get_if<LostEvent>(&*event)) {
            std::cout << "loss " << lost->first << ' ' << lost->last << std::endl;
        } else if (const auto* missed = std::get_if<MissedEvent>(&*event)) {
            std::cout << "missed " << missed->count << std::endl;
        } else if (const auto* disconnected = std::get_if<DisconnectedEvent>(&*event)) {
            std::cerr << disconnected->error.what() << std::endl;
        }
    }
}

void trigger(const Client& client, const std::string& camera, const std::string& part, const std::string& deadline_ms) {
    Trigger trigger;
    trigger.camera_id = camera;
    trigger.part_id = part;
    trigger.deadline = std::chrono::milliseconds(std::stoll(deadline_ms));
    const auto verdict = client.trigger(trigger).verdict();
    std::cout << "triggered " << verdict.sequence() << ' ' << name_of(verdict.decision()) << std::endl;
}

bool run(const Client& client, const std::vector<std::string>& task) {
    if (task.size() == 3 && task[0] == "consume") {
        follow(client, Subscription::of_consumer(task[1]), task[2]);
    } else if (task.size() == 3 && task[0] == "follow") {
        follow(client, Subscription::from_sequence(std::stoull(task[1])), task[2]);
    } else if (task.size() == 2 && task[0] == "live") {
        Subscription subscription;
        subscription.start.kind = Start::Kind::live;
        follow(client, subscription, task[1]);
    } else if (task.size() == 4 && task[0] == "trigger") {
        trigger(client, task[1], task[2], task[3]);
    } else {
        return false;
    }
    return true;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        std::cerr << "usage: conformance ADDRESS TASK...\n";
        return 64;
    }
    auto options = Options::from_environment();
    options.address = arguments[1];
    try {
        if (run(Client(options), {arguments + 2, arguments + count})) return 0;
        std::cerr << "unknown task\n";
        return 64;
    } catch (const Error& error) {
        std::cerr << error.what() << std::endl;
        std::cout << "failed " << error.code_name() << std::endl;
        return 0;
    }
}
