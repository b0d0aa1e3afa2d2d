import SwiftUI

@main
struct CryListenApp: App {
  var body: some Scene {
    WindowGroup {
      ContentView()
    }
  }
}
