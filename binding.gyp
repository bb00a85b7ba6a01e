{
  "targets": [
    {
      "target_name": "hypertune",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/hypertune.node"],
          "action": ["node", "scripts/install.mjs"]
        }
      ]
    }
  ]
}
