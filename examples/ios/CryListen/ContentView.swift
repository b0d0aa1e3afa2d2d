import SwiftUI

/// Shows the scores of the microphone while the app is in front.
struct ContentView: View {
  @StateObject private var listener = CryListener()
  @Environment(\.scenePhase) private var scenePhase

  var body: some View {
    VStack(spacing: 24) {
      Text(listener.message)
        .font(.title)
        .multilineTextAlignment(.center)
      ForEach(listener.scores) { score in
        ProgressView(value: score.value) {
          HStack {
            Text(score.label)
            Spacer()
            Text(score.value, format: .number.precision(.fractionLength(2)))
          }
        }
      }
    }
    .padding()
    .task(id: scenePhase) {
      // Leaving the foreground cancels this, and listening with it.
      if scenePhase == .active { await listener.listen() }
    }
  }
}
